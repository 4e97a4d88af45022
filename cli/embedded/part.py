"""What the supervisor knows about a part: how to start it, ask it, and stop it."""

import subprocess
from pathlib import Path
from typing import Protocol


class Part(Protocol):
    """One service of the system.

    `needs` names the parts that must run before this one starts. A part with `once` does its
    work and exits. `kill_when_silent` parts are restarted after a minute without an answer.
    """

    @property
    def name(self) -> str: ...
    @property
    def port(self) -> int | None: ...
    @property
    def needs(self) -> tuple[str, ...]: ...
    @property
    def log(self) -> Path | None: ...
    @property
    def ready_within_s(self) -> float: ...
    @property
    def once(self) -> bool: ...
    @property
    def kill_when_silent(self) -> bool: ...

    def start(self) -> "subprocess.Popen[bytes] | None":
        """Start the part. None where it has no process of its own."""
        ...

    def check(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Return when the part answers now, within about 3 s; raise `NotReady` otherwise.

        Raises `PartFailed` where waiting longer cannot help.
        """
        ...

    def stop(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Stop the part and wait for it. Must work on a part that is already gone."""
        ...
