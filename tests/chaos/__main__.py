"""`python -m tests.chaos`: every fault on a system of its own under load; one table.

Exits with 1 where a target was missed. `--only` chooses faults by words of their
names.
"""

import argparse
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.chaos.faults import Fault, NotSeen, all_faults
from tests.chaos.load import EVENT_BRAND, EVENT_SLOT, Load, Pace, Sent
from tests.chaos.system import System, until

PORT = 19_300
BEFORE_S, AFTER_S, STEADY_S = 2.0, 14.0, 2.0
RECOVERY_TARGET_S = 10.0
# Degraded answers of a second that are no fault's: a busy machine misses a deadline now and then.
DEGRADED = 0.2
# Answers after their deadline, outside the second of the fault.
LATE = 0.001
# The whole run is bounded; a fault for which no time is left counts as missed.
LONGEST_S = 14 * 60.0
COUNTED_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the load saw from the fault on. `recovered_s` is None where it did not."""

    fault: Fault
    said: str
    sent: list[Sent]
    at: float
    fault_s: float
    tmax_s: float
    not_seen: bool = False

    @property
    def failures(self) -> int:
        return sum(each.status != 200 for each in self.sent)

    @property
    def worst_ms(self) -> float:
        return 1000 * max((each.took_s for each in self.sent), default=0.0)

    @property
    def late_share(self) -> float:
        """Answers after their deadline, outside the second of the fault."""
        calm = [s for s in self.sent if not 0 <= s.at - self.at < 1.0]
        return sum(s.took_s > self.tmax_s for s in calm) / max(len(calm), 1)

    @property
    def recovered_s(self) -> float | None:
        """From the fault's end to the last second with a failure, or with many degraded."""
        bad = [at for at, sent in self._seconds().items() if _is_bad(sent)]
        if not bad:
            return 0.0
        last = max(s.at for s in self.sent)
        if last - max(bad) < STEADY_S:
            return None
        return max(0.0, max(bad) - self.at - self.fault_s)

    def _seconds(self) -> dict[int, list[Sent]]:
        found: dict[int, list[Sent]] = {}
        for each in self.sent:
            found.setdefault(int(each.at), []).append(each)
        return found

    @property
    def missed(self) -> list[str]:
        """The targets that were missed."""
        found = []
        if self.not_seen:
            found.append(self.said)
        if self.fault.failures is not None:
            if self.failures > self.fault.failures:
                found.append(f"{self.failures} failed")
            if self.late_share > LATE:
                found.append(f"{self.late_share:.2%} late")
        recovered = self.recovered_s
        if recovered is None or recovered > RECOVERY_TARGET_S:
            found.append("recovery")
        return found


def _is_bad(second: list[Sent]) -> bool:
    degraded = sum(bool(sent.degraded) for sent in second)
    return any(sent.status != 200 for sent in second) or degraded > DEGRADED * len(second)


def main() -> int:
    """Run the faults; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORDS")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--tmax-ms", type=float, default=100.0)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    chosen = parser.parse_args()
    pace = Pace(chosen.rate, tmax_ms=chosen.tmax_ms)
    with tempfile.TemporaryDirectory(prefix="adbid-chaos-", ignore_cleanup_errors=True) as scratch:
        system = System(chosen.home or Path(scratch) / "home", chosen.port)
        system.up()
        try:
            system.lived("2d", speed=11_520)
            faults = [
                fault for fault in all_faults() if any(words in fault.name for words in chosen.only)
            ]
            return run(system, faults, pace, Path(scratch))
        finally:
            system.down()


def run(system: System, faults: list[Fault], pace: Pace, folder: Path) -> int:
    """One after another under one load; prints the table."""
    console, outcomes = Console(width=150), []
    ends_at = time.monotonic() + LONGEST_S
    pair = EVENT_SLOT, EVENT_BRAND
    before = system.counted(*pair) - system.kept(*pair)
    with Load(system.port, pace, folder) as load:
        time.sleep(5)
        for fault in faults:
            if time.monotonic() > ends_at:
                outcomes.append(Outcome(fault, "no time was left", [], 0, 0, 1, not_seen=True))
                continue
            outcomes.append(break_it(system, fault, load, pace))
            last = outcomes[-1]
            console.print(
                f"{fault.name}: {last.failures} of {len(last.sent)} failed, worst "
                f"{last.worst_ms:.0f} ms, recovered {last.recovered_s}, {last.said}"
            )
    ids = load.acknowledged()
    found = system.events_found(ids)
    until(lambda: system.counted(*pair) - before == system.kept(*pair), COUNTED_WITHIN_S)
    kept, counted = system.kept(*pair), system.counted(*pair) - before
    console.print(table_of(outcomes, len(ids), found))
    console.print(f"Of the pair's {kept:,} impressions, {counted:,} are counted in performance.")
    lost = found < len(ids) or kept != counted
    return int(lost or any(outcome.missed for outcome in outcomes))


def break_it(system: System, fault: Fault, load: Load, pace: Pace) -> Outcome:
    """Act, wait until it is steady again, and read what the load saw."""
    time.sleep(BEFORE_S)
    at, not_seen = time.time(), False
    try:
        said = fault.act(system)
    except NotSeen as error:
        said, not_seen = str(error), True
    except Exception as error:  # one fault that cannot act must not cost the table
        said, not_seen = f"could not act: {error!r}"[:120], True
    fault_s = time.time() - at
    time.sleep(AFTER_S)
    sent = load.between(at - BEFORE_S, time.time())
    return Outcome(fault, said, sent, at, fault_s, pace.tmax_ms / 1000, not_seen)


def table_of(outcomes: list[Outcome], acknowledged: int, found: int) -> Table:
    """The one table."""
    title = f"Events: {acknowledged:,} acknowledged, {found:,} found"
    table = Table(title="Faults under load", caption=title)
    for name in ("fault", "requests", "failed", "degraded", "worst ms", "late", "recovered", ""):
        table.add_column(name, overflow="fold")
    for each in outcomes:
        recovered = each.recovered_s
        without = Counter(s.degraded for s in each.sent if s.degraded)
        said = [f"{count} without {parts}" for parts, count in without.items()]
        table.add_row(
            each.fault.name,
            str(len(each.sent)),
            str(each.failures),
            str(sum(bool(s.degraded) for s in each.sent)),
            f"{each.worst_ms:.0f}",
            f"{each.late_share:.2%}",
            "no" if recovered is None else f"{recovered:.1f} s",
            "; ".join(
                filter(
                    None,
                    [
                        *(f"MISSED: {m}" for m in each.missed),
                        "" if each.not_seen else each.said,
                        *said,
                    ],
                )
            ),
        )
    return table


if __name__ == "__main__":
    sys.exit(main())
