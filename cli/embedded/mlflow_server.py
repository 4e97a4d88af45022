"""`mlflow server`: one worker, its tables in PostgreSQL, its artifacts in `mlruns/`."""

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg

from cli.embedded import courtesy, probe, processes
from cli.embedded.errors import PartFailed
from cli.embedded.home import Home
from cli.embedded.postgres import ensure_databases
from stores.database_url import plain_url, sqlalchemy_url
from stores.settings import PROJECT_ROOT


@dataclass(frozen=True, slots=True)
class MlflowServer:
    """The tracking server and model registry on 127.0.0.1:`port`."""

    home: Home
    port: int
    database_url: str
    artifact_root: Path
    needs: tuple[str, ...]
    name: str = "mlflow"
    ready_within_s: float = 180.0
    once: bool = False
    kill_when_silent: bool = True

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> subprocess.Popen[bytes]:
        """The database's address goes through the environment: arguments are for all to read."""
        self.artifact_root.mkdir(parents=True, exist_ok=True)
        env = processes.child_env(self.home) | {
            "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(self.database_url),
            "MLFLOW_ARTIFACTS_DESTINATION": self.artifact_root.as_uri(),
            "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
            "MLFLOW_DISABLE_TELEMETRY": "true",
            "DO_NOT_TRACK": "true",
        }
        env.pop("MLFLOW_TRACKING_URI", None)
        place = ["--host", "127.0.0.1", "--port", str(self.port), "--workers", "1"]
        return processes.spawn(
            [sys.executable, "-m", "cli.embedded.mlflow_process", "server", *place],
            env=env,
            log=self.log,
            cwd=PROJECT_ROOT,
            niceness=courtesy.NICENESS,
        )

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        probe.expect_ok(f"{self.url}/health")

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=8)


def ensure_database(database_url: str) -> None:
    """Create MLflow's own database on a server that somebody else runs, unless it is there.

    Raises `PartFailed` where that is not allowed, with what to set instead.
    """
    url = urlsplit(plain_url(database_url))
    server = urlunsplit(url._replace(path="/postgres"))
    try:
        if _is_there(urlunsplit(url)):
            return
        with psycopg.connect(server, connect_timeout=5, autocommit=True) as db:
            ensure_databases(db, (url.path.lstrip("/"),))
    except psycopg.Error as error:
        raise PartFailed(
            "mlflow",
            f"cannot create its database on the server of DATABASE_URL ({error}); "
            "set ADBID_MLFLOW_DATABASE_URL or MLFLOW_TRACKING_URI",
        ) from error


def _is_there(database_url: str) -> bool:
    """Asked of the database itself: an account need not be let into any other."""
    try:
        psycopg.connect(database_url, connect_timeout=5).close()
    except psycopg.OperationalError:
        return False
    return True
