"""The scheduler of nightly retraining, as a part of the embedded system."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from cli.embedded import courtesy, processes
from cli.embedded.errors import PartFailed
from cli.embedded.home import Home
from stores.settings import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class Scheduler:
    """`python -m cli.scheduler`; `env` tells it where the stores and Ray's dashboard are."""

    home: Home
    env: dict[str, str]
    needs: tuple[str, ...] = ("schema",)
    name: str = "scheduler"
    port: int | None = None
    ready_within_s: float = 20.0
    once: bool = False
    kill_when_silent: bool = False

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    def start(self) -> subprocess.Popen[bytes]:
        return processes.spawn(
            [sys.executable, "-m", "cli.scheduler"],
            env=processes.child_env(self.home) | self.env,
            log=self.log,
            cwd=PROJECT_ROOT,
            niceness=courtesy.NICENESS,
        )

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        """It listens nowhere: it is well as long as it lives."""
        if process is not None and process.poll() is not None:
            raise PartFailed(self.name, f"it ended with exit code {process.returncode}", self.log)

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=5)
