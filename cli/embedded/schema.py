"""Migrations and seeds, in a process of their own that exits when they are done."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.embedded import processes
from cli.embedded.errors import NotReady, PartFailed
from cli.embedded.home import Home
from stores.settings import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class Schema:
    """`alembic upgrade head`, then the seeds, on `database_url`."""

    home: Home
    database_url: str
    needs: tuple[str, ...]
    name: str = "schema"
    port: int | None = None
    ready_within_s: float = 180.0
    once: bool = True
    kill_when_silent: bool = False

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    def start(self) -> subprocess.Popen[bytes]:
        env = processes.child_env(self.home) | {"DATABASE_URL": self.database_url}
        command = [sys.executable, "-m", "cli.embedded.prepare_database"]
        return processes.spawn(command, env=env, log=self.log, cwd=PROJECT_ROOT)

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        code = process.poll() if process else 0
        if code is None:
            raise NotReady("migrating")
        if code != 0:
            raise PartFailed("schema", "migrations or seeds failed", self.log)

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=10)
