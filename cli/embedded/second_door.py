"""A second HAProxy on the same port: while the one that Ray keeps is replaced, it answers.

Ray starts HAProxy anew in three to four seconds, and a host has one of them. Both bind the HTTP
port (SO_REUSEPORT), so the kernel spreads connections over the two and leaves out one that died.
Whenever Ray starts its own, the script in `haproxy.py` writes this one's configuration, from the
same text, and asks it to load that.
"""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from cli.embedded import probe, processes
from cli.embedded.errors import NotReady
from cli.embedded.home import Home


@dataclass(frozen=True, slots=True)
class SecondDoor:
    """HAProxy as master and worker: a new configuration takes over without a closed port.

    `port` answers 200 on loopback as long as it lives.
    """

    home: Home
    binary: Path
    port: int
    needs: tuple[str, ...] = ("serve",)
    name: str = "second-door"
    ready_within_s: float = 15.0
    once: bool = False
    kill_when_silent: bool = True

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    def start(self) -> subprocess.Popen[bytes]:
        config = config_of(self.home)
        if not config.exists():
            raise NotReady("Ray has not started HAProxy yet")
        return processes.spawn(
            [self.binary, "-W", "-f", config, "-p", pid_file_of(self.home)],
            env=processes.child_env(self.home),
            log=self.log,
            cwd=self.home.run,
        )

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        probe.expect_ok(f"http://127.0.0.1:{self.port}/")

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=5)


def config_of(home: Home) -> Path:
    """What it reads: written by the script that becomes Ray's HAProxy."""
    return home.run / "second-door.cfg"


def pid_file_of(home: Home) -> Path:
    """Whom that script tells."""
    return home.run / "second-door.pid"
