"""What can go wrong while the embedded system starts, each with a message to act on.

EmbeddedError
├── PortTaken         a port of the block is in use; nothing was started
├── PartFailed        a part did not start; holds the end of its log
│   └── TooSlow       it did not answer within its time
├── OtherSystem       this home already runs a system that differs from what was asked
└── NotReady          a part does not answer yet (becomes PartFailed at its deadline)
    └── Gone          nothing even listens where it should
"""

from pathlib import Path

from bidding.errors import AdBidError

_TAIL_LINES = 15


class EmbeddedError(AdBidError):
    title = "The embedded system"


class NotReady(EmbeddedError):
    title = "Not ready yet"


class Gone(NotReady):
    title = "Gone"


class OtherSystem(EmbeddedError):
    title = "Already running"


class PortTaken(EmbeddedError):
    """Names the port, who holds it, and the setting that moves it."""

    title = "Port taken"

    def __init__(self, port: int, part: str, holder: str, instead: str) -> None:
        super().__init__(
            f"port {port} ({part}) is taken{holder}. Free it, or choose another block of ports: "
            f"`adbid up --port {instead}` or ADBID_PORT={instead}."
        )
        self.port = port


class PartFailed(EmbeddedError):
    """A part that did not come up, with the end of its log."""

    title = "A part did not start"

    def __init__(self, part: str, why: str, log: Path | None = None) -> None:
        tail = f"\n--- the end of {log} ---\n{tail_of(log)}" if log else ""
        super().__init__(f"{part}: {why}{tail}")
        self.part = part


class TooSlow(PartFailed):
    """A part that did not answer within its time: another attempt would take as long."""


def tail_of(log: Path, lines: int = _TAIL_LINES) -> str:
    """The last lines of a log file; empty where there is none."""
    try:
        text = log.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""
    return "\n".join(text.splitlines()[-lines:])
