"""`python -m tests.chaos.cluster`: a head and two worker nodes, one of them killed under load.

Real `ray start` in network namespaces (root and iproute2 are needed), stores on this host as on
Kubernetes they are outside, the configuration of deploy/kubernetes. Bundles are asked for at the
head's door while a model is fitted by workers on both nodes; then, in a second fit, a node dies
with all its processes. Exits with 1 where a request failed, the fit did not spread, or the
service did not recover.
"""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np
from rich.console import Console
from rich.table import Table

from tests.chaos.cluster_system import Cluster, cluster
from tests.chaos.load import TIMEOUT_S, Load, Pace, Sent, why
from tests.chaos.system import until
from tests.folders import open_folder

CALM_S, AFTER_S = 10.0, 25.0
RECOVERY_TARGET_S = 30.0
DEGRADED = 0.2  # of a second's answers, as in tests.chaos


class Phase:
    """What the load saw from `start` to `end`."""

    def __init__(self, name: str, sent: list[Sent], said: str = "") -> None:
        self.name, self.sent, self.said = name, sent, said

    @property
    def failed(self) -> int:
        return sum(each.status != 200 for each in self.sent)

    def recovered_s(self, since: float) -> float:
        """From the kill to the last second with a failure or many degraded answers."""
        seconds: dict[int, list[Sent]] = {}
        for each in self.sent:
            if each.at >= since:
                seconds.setdefault(int(each.at - since), []).append(each)
        bad = [
            at
            for at, found in seconds.items()
            if any(s.status != 200 for s in found)
            or sum(bool(s.degraded) for s in found) > DEGRADED * len(found)
        ]
        return max(bad) + 1.0 if bad else 0.0

    def row(self) -> tuple[str, ...]:
        took = [1000 * each.took_s for each in self.sent]
        p50, p99 = np.percentile(took, [50, 99]) if took else (0.0, 0.0)
        lacking = Counter(each.degraded for each in self.sent if each.degraded)
        lacks = [f"{count} without {parts}" for parts, count in lacking.items()]
        counts = (len(self.sent), self.failed, sum(lacking.values()))
        times = (p50, p99, max(took, default=0.0))
        return (
            self.name,
            *(f"{count:,}" for count in counts),
            *(f"{ms:.0f}" for ms in times),
            "; ".join(filter(None, [self.said, why(self.sent), *lacks])),
        )


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=30.0, help="bundles a second, of 20 bids")
    parser.add_argument("--tmax-ms", type=float, default=200.0)
    parser.add_argument("--fit-within-s", type=float, default=300.0)
    parser.add_argument("--kill-in-first-fit", action="store_true", help="leave the calm fit out")
    chosen = parser.parse_args()
    if os.geteuid() != 0:
        print("network namespaces need root", file=sys.stderr)
        return 2
    pace = Pace(chosen.rate, event_calls_per_s=2.0, tmax_ms=chosen.tmax_ms)
    console = Console(width=130)
    with ExitStack() as stack:
        folder = stack.enter_context(open_folder("nodes"))
        system = stack.enter_context(cluster(folder, console.print))
        return run(system, pace, folder, console, chosen.fit_within_s, chosen.kill_in_first_fit)


def run(
    system: Cluster, pace: Pace, folder: Path, console: Console, fit_within_s: float, at_once: bool
) -> int:
    """Calm, a fit on two nodes unless a node is to be killed `at_once`, a node killed in the next
    fit, the node back."""
    placed = system.placement()
    console.print(placement_table("Replicas", placed))
    phases: list[Phase] = []
    missed: list[str] = []
    with Load(system.door[1], pace, folder, system.door[0]) as load:
        time.sleep(3)
        with phase(phases, console, "calm", load):
            time.sleep(CALM_S)
        if not at_once:
            with phase(phases, console, "a fit on both nodes", load) as here:
                ended, nodes = system.fit(fit_within_s)
                here.said = f"{ended}; workers on {', '.join(sorted(nodes))}"
            if len(nodes) < 2 or not ended.startswith("succeeded"):
                missed.append(f"the fit: {here.said}")
        with phase(phases, console, "kill -9 of a node in a fit", load) as here:
            victim, killed_at, killed, job = system.kill_a_node_in_a_fit(fit_within_s)
            whole = until(system.whole, 90)
            replaced_s = time.time() - killed_at
            time.sleep(AFTER_S)
            here.said = f"{victim}, {killed} processes"
        recovered_s = phases[-1].recovered_s(killed_at)
        console.print(placement_table(f"Replicas without {victim}", system.placement()))
        with phase(phases, console, "the node is back", load) as here:
            system.start_again(victim)
            time.sleep(CALM_S)
            ended, _ = system.outcome(job, fit_within_s)
            here.said = f"the fit that lost a node: {ended}"
        if not ended.startswith("succeeded"):
            missed.append(f"the fit that lost a node: {ended}")
    console.print(phases_table(phases))
    console.print(
        f"Recovered {recovered_s:.0f} s after the kill; "
        + (f"every replica replaced after {replaced_s:.0f} s." if whole else "NOT whole again.")
    )
    failed = sum(each.failed for each in phases)
    missed += [f"{failed} requests failed"] if failed else []
    missed += [] if whole and recovered_s <= RECOVERY_TARGET_S else ["recovery"]
    for text in missed:
        console.print(f"MISSED: {text}", style="red")
    return int(bool(missed))


@contextmanager
def phase(phases: list[Phase], console: Console, name: str, load: Load) -> Iterator[Phase]:
    """Keep what was sent inside the block."""
    found, start = Phase(name, []), time.time()
    yield found
    end = time.time()
    time.sleep(TIMEOUT_S + 1)  # until the last requests are answered, or given up
    found.sent = load.between(start, end)
    phases.append(found)
    console.print(": ".join((name, f"{found.failed} of {len(found.sent)} failed", found.said)))


def placement_table(title: str, placed: dict[str, Counter[str]]) -> Table:
    nodes = sorted({node for found in placed.values() for node in found})
    table = Table("deployment", *nodes, title=title)
    for deployment, found in placed.items():
        table.add_row(deployment, *(str(found[node] or "") for node in nodes))
    return table


def phases_table(phases: list[Phase]) -> Table:
    table = Table(title="What clients saw")
    for heading in ("", "requests", "failed", "degraded", "p50 ms", "p99 ms", "worst ms", "said"):
        table.add_column(heading, overflow="fold")
    for each in phases:
        table.add_row(*each.row())
    return table


if __name__ == "__main__":
    try:
        sys.exit(main())
    except httpx.HTTPError as error:
        sys.exit(f"the cluster does not answer: {error!r}")
