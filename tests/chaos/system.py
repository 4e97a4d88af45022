"""A private embedded system with two replicas of each serving part, and its processes by role."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import yaml

from cli.embedded import processes
from cli.embedded.home import Home
from stores.settings import PROJECT_ROOT

TWICE = ("Ingress", "Features", "Scoring")
STORES = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}


class System:
    """The system of `home`, on `port`."""

    def __init__(self, home: Path, port: int) -> None:
        self.root = home
        self.port = port
        self.home = Home(home)
        self.environment = {k: v for k, v in os.environ.items() if k not in STORES} | {
            "ADBID_HOME": str(home),
            "ADBID_SERVE_CONFIG": str(home / "serve_config.yaml"),
        }

    def up(self) -> None:
        """Start it; raises with what it said where it does not come up."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.root.chmod(0o755)
        config = yaml.safe_load((PROJECT_ROOT / "serve_config.yaml").read_text())
        for deployment in config["applications"][0]["deployments"]:
            if deployment["name"] in TWICE:
                deployment.pop("autoscaling_config", None)
                deployment["num_replicas"] = 2
        (self.root / "serve_config.yaml").write_text(yaml.safe_dump(config))
        done = self.adbid("up", "--detach", "--port", str(self.port))
        if done.returncode:
            raise RuntimeError(f"{done.stdout}\n{done.stderr}")

    def down(self) -> None:
        self.adbid("down")

    def adbid(
        self, *arguments: str, timeout_s: float | None = None, **variables: str
    ) -> "subprocess.CompletedProcess[str]":
        """The command line, with these variables beside the environment's."""
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=self.environment | variables,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout_s,
        )

    def env(self, name: str) -> str:
        """Where the running system is: `DATABASE_URL`, `REDIS_URL`, ..."""
        return str(json.loads(self.home.env_file.read_text())[name])

    def part(self, name: str) -> list[psutil.Process]:
        """A part that the supervisor keeps (redis, postgres, mlflow, scheduler), with children."""
        pid = json.loads(self.home.state_file.read_text())["parts"][name]["pid"]["pid"]
        return processes.family(pid)

    def replicas(self, deployment: str) -> list[psutil.Process]:
        """Its processes, that which has worked most first: it is the one that answers."""
        found = self.named(f"ray::ServeReplica:adbid:{deployment}")
        return sorted(found, key=lambda process: -sum(process.cpu_times()[:2]))

    def named(self, words: str) -> list[psutil.Process]:
        """This system's processes whose command line holds `words`."""
        return [each for each in processes.marked(self.home) if words in _command(each)]

    def lived(self, duration: str, speed: int) -> None:
        """Simulate traffic first, so that a training has something to read."""
        rate = ("--rate", "150", "--duration", duration, "--speed", str(speed))
        done = self.adbid("simulate", *rate)
        if done.returncode:
            raise RuntimeError(f"{done.stdout}\n{done.stderr}")

    def counted(self, slot_id: int, brand_id: int) -> int:
        """Impressions of a pair in `performance`."""
        with psycopg.connect(self.env("DATABASE_URL")) as connection:
            row = connection.execute(
                "SELECT coalesce(sum(impressions), 0) FROM performance"
                " WHERE slot_id = %s AND brand_id = %s",
                (slot_id, brand_id),
            ).fetchone()
        return int(row[0]) if row else 0

    def kept(self, slot_id: int, brand_id: int) -> int:
        """Impressions of a pair in `event`."""
        with psycopg.connect(self.env("DATABASE_URL")) as connection:
            row = connection.execute(
                "SELECT count(*) FROM event WHERE type = 'impression'"
                " AND slot_id = %s AND brand_id = %s",
                (slot_id, brand_id),
            ).fetchone()
        return int(row[0]) if row else 0

    def events_found(self, ids: list[str]) -> int:
        """How many of these events PostgreSQL holds."""
        with psycopg.connect(self.env("DATABASE_URL")) as connection:
            row = connection.execute(
                "SELECT count(DISTINCT event_id) FROM event WHERE event_id = ANY(%s)", (ids,)
            ).fetchone()
        return int(row[0]) if row else 0


def _command(process: psutil.Process) -> str:
    try:
        return " ".join([process.name(), *process.cmdline()])
    except psutil.Error:
        return ""


def kill(found: list[psutil.Process]) -> None:
    """SIGKILL, as a crash would. Raises where there is nothing to kill."""
    if not found:
        raise LookupError("there is no such process")
    for process in found:
        process.send_signal(signal.SIGKILL)


@contextmanager
def frozen(found: list[psutil.Process]) -> Iterator[None]:
    """SIGSTOP inside the block: connections stay open, nothing answers."""
    for process in found:
        process.suspend()
    try:
        yield
    finally:
        for process in found:
            process.resume()


def until(done: object, within_s: float) -> bool:
    """Wait for a condition (a callable); whether it came true in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        if callable(done) and done():
            return True
        time.sleep(0.2)
    return False
