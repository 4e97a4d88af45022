"""The metrics of the whole service: the sum of what every replica reported, dead ones included."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate

from deployments.metrics import (
    BY_NAME,
    LATENCY,
    LATENCY_EDGES,
    METRICS,
    OVER_ALL_EDGES,
    Key,
    Metric,
    key,
)
from deployments.telemetry_report import Report

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
# A replica that has not reported for so long is gone: its gauges no longer count.
GONE_AFTER_S = 5.0
# Numbers of the last reports outlive their replicas by far, so that a late copy is known.
FORGOTTEN_AFTER_S = 3600.0
RING_S = 15 * 60
_FOLLOWED = (
    key("adbid_score_requests_total", "200"),
    key("adbid_wins_total"),
    key("adbid_win_vpi_total"),
    key("adbid_degraded_bundles_total"),
)
_EDGE_NAMES = (*(f"{edge:g}" for edge in LATENCY_EDGES), OVER_ALL_EDGES)
_BUCKETS = tuple((LATENCY, (edge,)) for edge in _EDGE_NAMES)


@dataclass(slots=True)
class _Replica:
    number: int
    heard_at: float
    gauges: dict[Key, float]


@dataclass(frozen=True, slots=True)
class Second:
    """What one second of the whole service saw. `latencies` counts bundles by latency bucket."""

    at: int
    answered: float = 0.0
    wins: float = 0.0
    win_vpi: float = 0.0
    degraded: float = 0.0
    latencies: tuple[float, ...] = (0.0,) * len(_BUCKETS)


@dataclass(frozen=True, slots=True)
class Overview:
    """Rates over some seconds; a share of nothing is None. `vpi` is the mean winner's."""

    at: int
    requests_per_s: float
    p95_ms: float | None
    win_rate: float | None
    vpi: float | None
    degraded_share: float | None


@dataclass(slots=True)
class _Filling:
    """The second that is being filled."""

    at: int = 0
    gained: dict[Key, float] = field(default_factory=lambda: defaultdict(float))


class Collector:
    """Takes reports, renders text, remembers the last 15 minutes by the second."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._totals: dict[Key, float] = defaultdict(float)
        self._replicas: dict[str, _Replica] = {}
        self._own: dict[Key, float] = {}
        self._filling = _Filling()
        self._seconds: deque[Second] = deque(maxlen=RING_S)

    def take(self, report: Report) -> None:
        """Add a report; one that was taken already changes nothing."""
        now = self._clock()
        known = self._replicas.get(report.replica)
        if known is not None and report.number <= known.number:
            return
        self._replicas[report.replica] = _Replica(report.number, now, report.gauges)
        self._turn(int(now))
        for each, gained in report.gained.items():
            self._totals[each] += gained
            if gained:
                self._filling.gained[each] += gained

    def count(self, each: Key, gained: float) -> None:
        """Add what no replica reports."""
        self._totals[each] += gained

    def set_own(self, gauges: Mapping[Key, float]) -> None:
        """Gauges that no replica reports: what the collector looked up itself."""
        self._own = dict(gauges)

    def gauges(self) -> dict[Key, float]:
        """The gauges of all replicas that are alive, merged."""
        now = self._clock()
        gone = [r for r, each in self._replicas.items() if now - each.heard_at > FORGOTTEN_AFTER_S]
        for name in gone:
            del self._replicas[name]
        merged: dict[Key, float] = {}
        for replica in self._replicas.values():
            if now - replica.heard_at <= GONE_AFTER_S:
                for each, value in replica.gauges.items():
                    merged[each] = _merge(each, merged.get(each), value)
        return merged | self._own

    def text(self) -> bytes:
        """Prometheus' text format."""
        values = {**self._totals, **self.gauges()}
        by_name: dict[str, list[Key]] = defaultdict(list)
        for each in sorted(values):
            by_name[each[0]].append(each)
        lines: list[str] = []
        for metric in METRICS:
            lines += (f"# HELP {metric.name} {metric.says}", f"# TYPE {metric.name} {metric.kind}")
            if metric.kind == "histogram":
                lines += self._histogram()
            else:
                lines += [_line(metric, each[1], values[each]) for each in by_name[metric.name]]
        return ("\n".join(lines) + "\n").encode()

    def overview(self, seconds: int) -> Overview:
        """The last `seconds` as one."""
        self._turn(int(self._clock()))
        first = self._filling.at - seconds
        return _sum_up(first, seconds, (s for s in self._seconds if s.at >= first))

    def series(self, seconds: int, step_s: int) -> list[Overview]:
        """The last `seconds` in steps, oldest first; steps without a bundle are there, empty."""
        self._turn(int(self._clock()))
        start = (self._filling.at - seconds) // step_s * step_s
        grouped: dict[int, list[Second]] = defaultdict(list)
        for second in self._seconds:
            grouped[second.at // step_s * step_s].append(second)
        return [
            _sum_up(at, step_s, grouped.get(at, ()))
            for at in range(start, self._filling.at - step_s + 1, step_s)
        ]

    def _turn(self, now: int) -> None:
        """Close the second that was being filled, if it is over."""
        if now == self._filling.at:
            return
        gained = self._filling.gained
        if gained:
            answered, wins, win_vpi, degraded = (gained.get(each, 0.0) for each in _FOLLOWED)
            latencies = tuple(gained.get(each, 0.0) for each in _BUCKETS)
            self._seconds.append(
                Second(self._filling.at, answered, wins, win_vpi, degraded, latencies)
            )
        self._filling = _Filling(now)

    def _histogram(self) -> Iterator[str]:
        counts = accumulate(self._totals.get(each, 0.0) for each in _BUCKETS)
        count = 0.0
        for (_, (edge,)), count in zip(_BUCKETS, counts, strict=True):
            yield f'{LATENCY}_bucket{{le="{edge}"}} {count:.0f}'
        yield f"{LATENCY}_sum {self._totals.get((LATENCY, ('sum',)), 0.0)!r}"
        yield f"{LATENCY}_count {count:.0f}"


def _merge(each: Key, before: float | None, value: float) -> float:
    if before is None:
        return value
    merge = BY_NAME[each[0]].merge
    return before + value if merge == "sum" else (max if merge == "max" else min)(before, value)


def _line(metric: Metric, values: tuple[str, ...], value: float) -> str:
    number = f"{value:.0f}" if float(value).is_integer() else repr(float(value))
    if not values:
        return f"{metric.name} {number}"
    pairs = ",".join(
        f'{label}="{_escaped(text)}"' for label, text in zip(metric.labels, values, strict=True)
    )
    return f"{metric.name}{{{pairs}}} {number}"


def _escaped(text: str) -> str:
    return text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _sum_up(at: int, length_s: int, seconds: Iterable[Second]) -> Overview:
    found = list(seconds)
    answered = sum(s.answered for s in found)
    wins = sum(s.wins for s in found)
    buckets = [sum(column) for column in zip(*(s.latencies for s in found), strict=True)]
    return Overview(
        at=at,
        requests_per_s=answered / length_s,
        p95_ms=quantile_ms(0.95, buckets),
        win_rate=wins / answered if answered else None,
        vpi=sum(s.win_vpi for s in found) / wins if wins else None,
        degraded_share=sum(s.degraded for s in found) / answered if answered else None,
    )


def quantile_ms(q: float, buckets: list[float]) -> float | None:
    """As `histogram_quantile`: linear within a bucket; the last edge for what is beyond it."""
    wanted = q * sum(buckets)
    if not wanted:
        return None
    below = 0.0
    for index, count in enumerate(buckets[:-1]):
        if below + count >= wanted:
            low = LATENCY_EDGES[index - 1] if index else 0.0
            return 1000.0 * (low + (LATENCY_EDGES[index] - low) * (wanted - below) / count)
        below += count
    return 1000.0 * LATENCY_EDGES[-1]
