"""`python -m tests.chaos.soak`: a steady load for half an hour; nothing may grow.

Exits with 1 where the memory or the descriptors of a deployment grew, or p99 did, from the first
third to the last.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx
from rich.console import Console
from rich.table import Table

from tests.chaos.load import Load, Pace, Sent
from tests.chaos.system import System

PORT = 19_300
EVERY_S = 10.0
# Growth from the first third to the last that is noise, as a share.
MEMORY, DESCRIPTORS, P99 = 0.05, 0.10, 0.25
_SAMPLE = re.compile(
    r'^(adbid_process_resident_bytes|adbid_process_open_fds){deployment="(\w+)"} (\S+)$', re.M
)

Series = dict[tuple[str, str], list[float]]


@dataclass(frozen=True, slots=True)
class Growth:
    """A number in the first and the last third, and how much more is too much."""

    name: str
    first: float
    last: float
    allowed: float

    @property
    def is_flat(self) -> bool:
        return self.last <= self.first * (1 + self.allowed)


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=400.0, help="half of the machine's peak")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="adbid-soak-", ignore_cleanup_errors=True) as scratch:
        system = System(chosen.home or Path(scratch) / "home", chosen.port)
        system.up()
        try:
            found = list(soak(system, Pace(chosen.rate), 60 * chosen.minutes, Path(scratch)))
        finally:
            system.down()
    Console(width=120).print(table_of(found))
    return int(not all(each.is_flat for each in found))


def soak(system: System, pace: Pace, length_s: float, folder: Path) -> Iterable[Growth]:
    """Sample memory and descriptors every 10 s, then compare the thirds."""
    series: Series = {}
    with Load(system.port, pace, folder) as load:
        time.sleep(EVERY_S)  # caches fill
        start = time.time()
        while time.time() < start + length_s:
            for name, deployment, value in _SAMPLE.findall(metrics(system)):
                series.setdefault((name, deployment), []).append(float(value))
            time.sleep(EVERY_S)
        third = length_s / 3
        first = load.between(start, start + third)
        last = load.between(start + 2 * third, start + length_s)
    yield Growth("p99 ms", p99_ms(first), p99_ms(last), P99)
    for (name, deployment), values in sorted(series.items()):
        part = max(len(values) // 3, 1)
        allowed = MEMORY if name.endswith("bytes") else DESCRIPTORS
        label = f"{deployment} {'memory' if name.endswith('bytes') else 'descriptors'}"
        yield Growth(label, median(values[:part]), median(values[-part:]), allowed)


def metrics(system: System) -> str:
    return httpx.get(f"http://127.0.0.1:{system.port}/metrics", timeout=10).text


def p99_ms(sent: list[Sent]) -> float:
    took = sorted(each.took_s for each in sent)
    return 1000 * took[int(0.99 * (len(took) - 1))] if took else float("inf")


def table_of(found: list[Growth]) -> Table:
    table = Table(title="Soak: the first third and the last")
    for name in ("what", "first", "last", "flat"):
        table.add_column(name)
    for each in found:
        verdict = "yes" if each.is_flat else "NO"
        table.add_row(each.name, f"{each.first:,.1f}", f"{each.last:,.1f}", verdict)
    return table


if __name__ == "__main__":
    sys.exit(main())
