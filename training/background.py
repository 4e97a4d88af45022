"""Training yields to serving: whatever the machine is asked for goes before it.

Niceness is of a thread, not of a process, and BLAS has started its threads when numpy is imported:
all of them must step back. On Linux the scheduling class of idle work says it best, as what wakes
up in serving then never waits for the end of a time slice of training.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

_TASKS = Path("/proc/self/task")


def step_back(niceness: int) -> None:
    """Lower this process' priority by `niceness` (0-19) from now on, children included; 0 leaves
    it as it is. What a system does not know or allow is left out."""
    if niceness == 0:
        return
    for thread in _threads():
        with suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, thread, max(niceness, _niceness(thread)))
        with suppress(OSError, AttributeError):
            os.sched_setscheduler(thread, os.SCHED_IDLE, os.sched_param(0))
    with suppress(psutil.Error, AttributeError, OSError):
        psutil.Process().ionice(psutil.IOPRIO_CLASS_IDLE)


def _threads() -> Iterator[int]:
    """The kernel's ids of this process' threads; 0, the caller, where they are not told."""
    if not _TASKS.is_dir():
        yield 0
        return
    for entry in sorted(_TASKS.iterdir()):
        yield int(entry.name)


def _niceness(thread: int) -> int:
    return os.getpriority(os.PRIO_PROCESS, thread)
