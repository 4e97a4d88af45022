"""What a running system tells the other commands: var/run/state.json and var/run/env.json."""

import json
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal

import psutil

from cli.embedded.home import Home

Phase = Literal[
    "waiting", "starting", "running", "done", "external", "restarting", "failed", "stopped"
]
SystemPhase = Literal["starting", "up", "stopping", "stopped", "failed"]

_SLACK_S = 2.0
_SINCE_1970_S = 1e9  # no machine runs for as long


@dataclass(frozen=True, slots=True)
class Pid:
    """A process, told from a later one with the same number by when it started (s)."""

    pid: int
    created: float

    @staticmethod
    def of(pid: int) -> "Pid | None":
        try:
            return Pid(pid, _started(psutil.Process(pid)))
        except psutil.NoSuchProcess:
            return None

    def alive(self) -> bool:
        return self.process() is not None

    def process(self) -> psutil.Process | None:
        """The live process (a zombie is not alive), or None."""
        try:
            process = psutil.Process(self.pid)
            since_1970 = self.created > _SINCE_1970_S  # written by an older version
            started = process.create_time() if since_1970 else _started(process)
            same = abs(started - self.created) < _SLACK_S
            return process if same and process.status() != psutil.STATUS_ZOMBIE else None
        except psutil.NoSuchProcess:
            return None


def _started(process: psutil.Process) -> float:
    """Seconds after the boot, where Linux tells: seconds since 1970 move when the clock is set."""
    try:
        fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return process.create_time()
    return int(fields[19]) / os.sysconf("SC_CLK_TCK")  # proc(5): starttime


@dataclass(frozen=True, slots=True)
class PartState:
    phase: Phase = "waiting"
    port: int | None = None
    pid: Pid | None = None
    restarts: int = 0
    took_s: float | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class SystemState:
    """One system: its supervisor, its ports and its parts, in the order they are shown."""

    phase: SystemPhase
    base_port: int
    host: str
    supervisor: Pid
    parts: dict[str, PartState] = field(default_factory=dict)
    urls: dict[str, str] = field(default_factory=dict)
    up_after_s: float | None = None
    error: str | None = None

    def supervised(self) -> bool:
        return self.supervisor.alive()

    def with_part(self, name: str, part: PartState) -> "SystemState":
        return replace(self, parts={**self.parts, name: part})

    def all_stopped(self) -> "SystemState":
        parts = {
            name: part if part.phase == "external" else replace(part, phase="stopped", pid=None)
            for name, part in self.parts.items()
        }
        return replace(self, phase="stopped", parts=parts)


def write_state(home: Home, state: SystemState) -> None:
    write_private(home.state_file, json.dumps(asdict(state), indent=1))


def read_state(home: Home) -> SystemState | None:
    """The last written state, or None where no system ever ran here."""
    try:
        raw = json.loads(home.state_file.read_text(encoding="utf-8"))
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    parts = {
        name: PartState(**{**part, "pid": Pid(**part["pid"]) if part["pid"] else None})
        for name, part in raw.pop("parts").items()
    }
    return SystemState(**{**raw, "supervisor": Pid(**raw["supervisor"]), "parts": parts})


def write_env(home: Home, values: dict[str, str]) -> None:
    """Publish the running system's addresses to `load_settings()`."""
    write_private(home.env_file, json.dumps(values, indent=1))


def clear_env(home: Home) -> None:
    home.env_file.unlink(missing_ok=True)


def write_private(path: Path, text: str) -> None:
    """Replace the file in one step, readable by its owner only."""
    fresh = path.with_suffix(".new")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)
