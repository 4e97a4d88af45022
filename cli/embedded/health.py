"""How the parts of a system are right now: what `adbid status` shows."""

from dataclasses import dataclass

import psutil

from cli.embedded import probe, processes
from cli.embedded.errors import NotReady
from cli.embedded.home import Home
from cli.embedded.state import SystemState

_SERVE_TITLES = ("ray::Serve", "ray::Proxy", "ray::HAProxy", "haproxy")


@dataclass(frozen=True, slots=True)
class PartHealth:
    """One row: memory is PSS (shared pages counted once), in bytes."""

    name: str
    phase: str
    pid: int | None
    port: int | None
    processes: int
    memory: int
    restarts: int
    detail: str


def health_of(home: Home, state: SystemState) -> list[PartHealth]:
    """Every part with what its processes use just now, the supervisor last."""
    everything = {process.pid: process for process in processes.marked(home)}
    rows = []
    claimed: set[int] = set()
    for name, part in state.parts.items():
        pids = _pids_of(name, part.pid.pid if part.pid else None, everything) - claimed
        claimed |= pids
        memory = sum(processes.pss_bytes(everything[pid]) for pid in pids)
        pid = part.pid.pid if part.pid and part.pid.alive() else None
        rows.append(
            PartHealth(
                name, part.phase, pid, part.port, len(pids), memory, part.restarts, part.detail
            )
        )
    return [*rows, _supervisor(state)]


def _pids_of(name: str, head: int | None, everything: dict[int, psutil.Process]) -> set[int]:
    """A part's processes: its head's family, with Serve's actors split off from Ray's."""
    if name == "serve":
        return {pid for pid, process in everything.items() if _is_serve(process)}
    relatives = {process.pid for process in processes.family(head)} if head else set()
    own = relatives & set(everything)
    if name == "ray":
        own |= {pid for pid, process in everything.items() if _is_ray(process)}
        own -= {pid for pid in own if _is_serve(everything[pid])}
    return own


def _title(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return ""


def _is_serve(process: psutil.Process) -> bool:
    title = _title(process)
    return title.startswith(_SERVE_TITLES) or "/haproxy -db " in title


def _is_ray(process: psutil.Process) -> bool:
    return _title(process).startswith(("ray::", "ray-dashboard"))


def _supervisor(state: SystemState) -> PartHealth:
    process = state.supervisor.process()
    memory = processes.pss_bytes(process) if process else 0
    phase = "running" if process else "gone"
    pid = process.pid if process else None
    return PartHealth("supervisor", phase, pid, None, int(bool(process)), memory, 0, "")


def answers(state: SystemState) -> bool:
    """Whether the API's health check answers."""
    try:
        probe.expect_ok(state.urls["API"].removesuffix("/api/score") + "/healthz")
    except NotReady:
        return False
    return True
