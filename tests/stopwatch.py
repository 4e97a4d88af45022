"""How long something took, without the time that this process only waited for a core."""

import contextlib
import time
from pathlib import Path


class Stopwatch:
    """Runs from when it is made.

    Beside other tests a thread may be ready for a tenth of a second and get no core. That says
    nothing about the code, so Linux' count of it (the second figure of a thread's `schedstat`) is
    taken off, for all threads of this process. Where nothing counts it, nothing is taken off.
    """

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._waited_s = _waited_for_cores_s()

    def took_s(self) -> float:
        waited_s = max(0.0, _waited_for_cores_s() - self._waited_s)
        return time.monotonic() - self._started - waited_s


def _waited_for_cores_s() -> float:
    waited_ns = 0
    for thread in Path("/proc/self/task").glob("*"):
        with contextlib.suppress(OSError):  # it ended, or this kernel doesn't count
            waited_ns += int((thread / "schedstat").read_text().split()[1])
    return waited_ns / 1e9
