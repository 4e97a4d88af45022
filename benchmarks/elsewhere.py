"""Processes that stand for other machines share this one's cores only as they must."""

import contextlib
import os
from pathlib import Path

LEAST = 19  # niceness


def step(niceness: int) -> None:
    """Behind the system (up to 19) or before it (down to -20, for root only), in a session of the
    process' own: where Linux shares the CPU out by session first, niceness says nothing to others.
    """
    with contextlib.suppress(OSError):
        os.setsid()
    with contextlib.suppress(OSError):
        os.nice(niceness)
    with contextlib.suppress(OSError):
        Path("/proc/self/autogroup").write_text(str(niceness), encoding="ascii")
