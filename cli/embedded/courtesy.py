"""Ray's own processes step behind those that answer bundles.

They share the machine, and on two cores what one of them does at a stretch is waited for: with
these nicer, the p99 at half of the peak is a quarter lower. Processes that start others
(the raylet, the manager of HAProxy) are left as they are, as niceness is inherited and only root
may take it back.
"""

import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import psutil

NICENESS = 10
_STEP_BACK = (
    "ray::ServeController",
    "ray::ProxyActor",
    "ray::DashboardAgent",
    "ray-dashboard",
    "ray::ServeReplica:adbid:Telemetry",
    "ray::ServeReplica:adbid:Overseer",
)
_GCS = "gcs_server"


def step_back(processes: Iterable[psutil.Process]) -> None:
    """Lower the priority of those that answer no bundle, where the system allows it."""
    for process in processes:
        with suppress(psutil.Error, OSError):
            if _answers_nobody(process) and process.nice() < NICENESS:
                for thread in _threads(process.pid):
                    with suppress(OSError):
                        os.setpriority(os.PRIO_PROCESS, thread, NICENESS)


def _answers_nobody(process: psutil.Process) -> bool:
    words = process.cmdline()
    title = words[0] if words else ""
    return title.startswith(_STEP_BACK) or Path(title).name == _GCS


def _threads(pid: int) -> list[int]:
    """Niceness is of a thread on Linux, of a process elsewhere."""
    tasks = Path(f"/proc/{pid}/task")
    return [int(task.name) for task in tasks.iterdir()] if tasks.is_dir() else [pid]
