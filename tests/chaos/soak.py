"""`python -m tests.chaos.soak`: a steady load for half an hour; nothing may grow.

Prints memory (anonymous, resident), descriptors and p99 of each minute, and the machine's speed.
Exits with 1 where a request failed, or where from the first third to the last the memory or the
descriptors of a role grew, or p99 did: of the whole thirds, or between stretches of ten seconds in
which the machine was as fast. A slower machine shows in the first of the two only.
"""

import argparse
import sys
import time
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks import elsewhere
from tests.chaos.footprint import Held, footprint, pss_bytes
from tests.chaos.load import Load, Pace, Sent, why
from tests.chaos.system import System
from tests.folders import open_folder

PORT = 19_300
EVERY_S = 10.0
# Caches fill, and Ray's idle workers come and go.
WARM_S = 30.0
MINUTE_S = 60.0
# Growth from the first third to the last that is noise, as a share, and for what is small.
MEMORY, DESCRIPTORS, P99 = 0.05, 0.10, 0.25
SMALL_BYTES, FEW_DESCRIPTORS = 4 * 2**20, 5
# How much a bundle's cost for the load may differ between stretches that are compared, and how many
# of the last third there have to be.
ALIKE, ENOUGH = 0.05, 6
_MB = 2**20


@dataclass(frozen=True, slots=True)
class Sample:
    """What each role held at a moment, seconds since 1970, and the CPU seconds that the load's own
    process had taken by then."""

    at: float
    held: dict[str, Held]
    load_s: float

    @property
    def own(self) -> int:
        return sum(each.own for each in self.held.values())

    @property
    def descriptors(self) -> int:
        return sum(each.descriptors for each in self.held.values())


@dataclass(frozen=True, slots=True)
class Stretch:
    """From one look to the next: the p99, and what a bundle cost the load's own process, which
    does the same all the time: that is the machine's speed, whatever the system does."""

    p99_ms: float
    cost_ms: float

    def is_like(self, other: "Stretch") -> bool:
        return abs(self.cost_ms / other.cost_ms - 1) <= ALIKE


@dataclass(frozen=True, slots=True)
class Growth:
    """A number in the first and the last third; how much more is too much: a share, or so much."""

    name: str
    first: float
    last: float
    share: float
    slack: float = 0.0

    @property
    def is_flat(self) -> bool:
        return self.last <= self.first + max(self.share * self.first, self.slack)


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--rate", type=float, default=400.0, help="half of the machine's peak")
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args()
    with open_folder("soak") as scratch:
        system = System(chosen.home or scratch / "home", chosen.port)
        system.up()
        try:
            return soak(system, Pace(chosen.rate), MINUTE_S * chosen.minutes, scratch)
        finally:
            system.down()


def soak(system: System, pace: Pace, length_s: float, folder: Path) -> int:
    """Look every 10 s, print each minute, then compare the thirds; the exit code."""
    console, samples = Console(width=120), list[Sample]()
    with Load(system.port, pace, folder) as load:
        elsewhere.step(elsewhere.LEAST)  # who looks takes no time from who is looked at
        time.sleep(WARM_S)
        start, told = time.time(), 0
        while (now := time.time()) < start + length_s:
            samples.append(Sample(now, footprint(system.home), load.cpu_s()))
            if now - start >= MINUTE_S * (told + 1):
                console.print(line_of(told + 1, samples, minute_of(load, start, told)))
                told += 1
            time.sleep(max(0.0, now + EVERY_S - time.time()))
        console.print(line_of(told + 1, samples, minute_of(load, start, told)))
        console.print(f"PSS of the whole system: {pss_bytes(system.home) / _MB:,.0f} MB")
        sent = load.between(start, start + length_s)
    found = list(growths(samples, sent, start, length_s))
    console.print(table_of(found))
    failed = sum(each.status != 200 for each in sent)
    console.print(f"{failed} of {len(sent):,} requests failed. {why(sent)}")
    return int(failed > 0 or not all(each.is_flat for each in found))


def minute_of(load: Load, start: float, number: int) -> list[Sent]:
    return load.between(start + MINUTE_S * number, start + MINUTE_S * (number + 1))


def line_of(minute: int, samples: list[Sample], sent: list[Sent]) -> str:
    failed = sum(each.status != 200 for each in sent)
    now, before = samples[-1], samples[-min(len(samples), 1 + round(MINUTE_S / EVERY_S))]
    asked = max(sum(before.at <= each.at < now.at for each in sent), 1)
    return (
        f"minute {minute}: {len(sent):,} requests, {failed} failed, p99 {p99_ms(sent):.1f} ms, "
        f"{now.own / _MB:,.0f} MB, {now.descriptors:,} descriptors; "
        f"a request cost who asked {1000 * (now.load_s - before.load_s) / asked:.2f} ms"
    )


def growths(
    samples: list[Sample], sent: list[Sent], start: float, length_s: float
) -> Iterator[Growth]:
    """p99, then each role that was there all the time."""
    third = length_s / 3
    first = [each for each in sent if each.at < start + third]
    last = [each for each in sent if each.at >= start + 2 * third]
    yield Growth("p99 ms", p99_ms(first), p99_ms(last), P99)
    if (alike := alike_growth(list(stretches(samples, sent)))) is not None:
        yield alike
    part = max(len(samples) // 3, 1)
    for role in sorted(set.intersection(*(set(each.held) for each in samples))):
        yield from _growths_of(role, [each.held[role] for each in samples], part)


def stretches(samples: list[Sample], sent: list[Sent]) -> Iterator[Stretch]:
    """Those in which something was asked."""
    asked = sorted(sent, key=lambda each: each.at)
    times = [each.at for each in asked]
    for before, after in pairwise(samples):
        inside = asked[bisect_left(times, before.at) : bisect_left(times, after.at)]
        if inside:
            cost_ms = 1000 * (after.load_s - before.load_s) / len(inside)
            yield Stretch(p99_ms(inside), cost_ms)


def alike_growth(found: list[Stretch]) -> Growth | None:
    """Medians of stretches of the last third, each with the one of the first that is most like it.

    None where the machine was hardly ever as fast as in the first third.
    """
    part = max(len(found) // 3, 1)
    pairs = [
        (min(found[:part], key=lambda first: abs(first.cost_ms - last.cost_ms)), last)
        for last in found[-part:]
    ]
    alike = [(first.p99_ms, last.p99_ms) for first, last in pairs if first.is_like(last)]
    if len(alike) < min(ENOUGH, part):
        return None
    first_ms, last_ms = (median(each) for each in zip(*alike, strict=True))
    return Growth(f"p99 ms of {len(alike)} pairs alike", first_ms, last_ms, P99)


def _growths_of(role: str, held: list[Held], part: int) -> Iterator[Growth]:
    own, files = [each.own for each in held], [each.descriptors for each in held]
    ends = median(own[:part]) / _MB, median(own[-part:]) / _MB
    yield Growth(f"{role} memory, MB", *ends, MEMORY, SMALL_BYTES / _MB)
    ends = median(files[:part]), median(files[-part:])
    yield Growth(f"{role} descriptors", *ends, DESCRIPTORS, FEW_DESCRIPTORS)


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
