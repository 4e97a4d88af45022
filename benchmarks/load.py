"""Load from a separate process: wrk, because it costs a fraction of what it measures.

On two cores the generator shares the machine with the service; wrk answers for about 4% of
a core at 1,500 requests/s, where a Python generator would take a whole one.
"""

import json
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Load:
    """What one timed run saw. Latencies in milliseconds; `bad` counts answers other than 200."""

    requests: int
    per_s: float
    bad: int
    socket_errors: int
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float


class WrkMissing(RuntimeError):
    """wrk is not on this machine."""


def run(url: str, script: Path, *, clients: int, seconds: float) -> Load:
    """Post the script's bodies flat out from `clients` connections for `seconds`.

    Raises `WrkMissing` with what to install.
    """
    if shutil.which("wrk") is None:
        raise WrkMissing("wrk is not installed; it is the system package `wrk`")
    duration = f"-d{max(round(seconds), 1)}s"
    command = ["wrk", "-t1", f"-c{clients}", duration, "--latency", "-s", str(script), url]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=seconds + 60)
    line = next(text for text in done.stdout.splitlines() if text.startswith("RESULT "))
    found = json.loads(line.removeprefix("RESULT "))
    return Load(
        requests=found["requests"],
        per_s=found["requests"] / (found["duration_us"] / 1e6),
        bad=found["bad"],
        socket_errors=found["socket_errors"],
        p50_ms=found["p50_us"] / 1e3,
        p95_ms=found["p95_us"] / 1e3,
        p99_ms=found["p99_us"] / 1e3,
        max_ms=found["max_us"] / 1e3,
    )
