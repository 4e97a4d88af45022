"""`python -m tests.chaos`: every fault on a system of its own under load; one table.

Exits with 1 where a target was missed. `--only` chooses faults by words of their
names.
"""

import argparse
import sys
import time
from pathlib import Path

from rich.console import Console

from tests.chaos.faults import Fault, NotSeen, all_faults
from tests.chaos.load import EVENT_BRAND, EVENT_SLOT, Load, Pace, why
from tests.chaos.outcome import Outcome
from tests.chaos.report import markdown_of, table_of
from tests.chaos.system import System, until
from tests.folders import open_folder

PORT = 19_300
BEFORE_S, AFTER_S = 2.0, 14.0
# The whole run is bounded; a fault for which no time is left counts as missed.
LONGEST_S = 14 * 60.0
COUNTED_WITHIN_S = 60.0


def main() -> int:
    """Run the faults; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", default=[""], metavar="WORDS")
    parser.add_argument("--rate", type=float, default=100.0)
    parser.add_argument("--tmax-ms", type=float, default=100.0)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--port", type=int, default=PORT)
    parser.add_argument("--markdown", type=Path, help="also write the table there, as in docs/")
    chosen = parser.parse_args()
    pace = Pace(chosen.rate, tmax_ms=chosen.tmax_ms)
    with open_folder("chaos") as scratch:
        system = System(chosen.home or scratch / "home", chosen.port)
        system.up()
        try:
            system.lived("2d", speed=11_520)
            faults = [
                fault for fault in all_faults() if any(words in fault.name for words in chosen.only)
            ]
            return run(system, faults, pace, scratch, chosen.markdown)
        finally:
            system.down()


def run(
    system: System, faults: list[Fault], pace: Pace, folder: Path, markdown: Path | None = None
) -> int:
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
                f"{last.worst_ms:.0f} ms, recovered {last.recovered_s}, {last.said} "
                + why(last.sent)
            )
    ids = load.acknowledged()
    found = system.events_found(ids)
    until(lambda: system.counted(*pair) - before == system.kept(*pair), COUNTED_WITHIN_S)
    kept, counted = system.kept(*pair), system.counted(*pair) - before
    caption = (
        f"Events: {len(ids):,} acknowledged, {found:,} found. Of the pair's {kept:,} impressions, "
        f"{counted:,} are counted in `performance`."
    )
    console.print(table_of(outcomes, caption))
    if markdown:
        markdown.write_text(f"{markdown_of(outcomes, caption)}\n")
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


if __name__ == "__main__":
    sys.exit(main())
