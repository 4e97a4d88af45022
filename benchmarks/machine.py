"""What the machine is, and how fast it is at the moment.

Other tenants of a cloud's host share its caches: a figure that was taken in a slow minute says
little of the program. The pace says which minute it was.
"""

import platform
import statistics
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import psutil

# 3 MB, read in no order: more than a core's own cache holds, as a serving process is.
_SIZE = 400_000
_KEYS, _TURNS = 5_000, 60_000
_TIMES = 3


class Machine:
    """A fixed piece of work, read and hashed as a serving process does."""

    def __init__(self) -> None:
        rng = np.random.default_rng(1)
        self._values, self._order = rng.random(_SIZE), rng.permutation(_SIZE)

    def pace_ms(self) -> float:
        """CPU milliseconds that the work takes now: the median of three.

        Waiting for a core does not count, what others leave of the caches does.
        """
        return statistics.median(self._once() for _ in range(_TIMES))

    def _once(self) -> float:
        started = time.thread_time()
        self._values[self._order].sum()
        seen: dict[int, int] = {}
        for turn in range(_TURNS):
            seen[turn % _KEYS] = turn
        return 1000 * (time.thread_time() - started)


def processor_and_memory() -> dict[str, int | str]:
    """What this machine is."""
    return {
        "cores": psutil.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30),
    }


def _processor() -> str:
    """What the kernel calls it."""
    listed = Path("/proc/cpuinfo")
    if listed.exists():
        for line in listed.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def versions() -> dict[str, str]:
    """Python's and those of what decides how fast a bundle is answered."""
    names = ("ray", "fastapi", "uvicorn", "uvloop", "orjson", "msgspec", "numpy", "pydantic")
    names += ("mlflow", "redis", "xgboost-cpu" if sys.platform == "linux" else "xgboost")
    return {"python": platform.python_version()} | {name: version(name) for name in names}


def commit() -> str:
    """The short name of the code that was measured; empty outside a checkout."""
    done = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
