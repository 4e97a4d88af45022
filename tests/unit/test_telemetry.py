"""Metrics: counted cheaply, summed over replicas, never going down, documented."""

import asyncio
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from bidding.watch import LiveSums
from deployments.metrics import BY_NAME, LATENCY, LATENCY_EDGES, METRICS, Key, key
from deployments.metrics_score import ScoreMeter
from deployments.telemetry_collect import Collector, quantile_ms
from deployments.telemetry_models import look_at_models, look_at_outcomes
from deployments.telemetry_report import Report, Reporter
from stores.live_quality import Span
from stores.memory_live_quality import MemoryLiveQuality
from stores.model_registry import CHAMPION, CTR_MODEL, MemoryRegistry, ModelVersion
from tests.unit.test_decision_log import scored as a_scored

DOCS = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"
BIDS = key("bid_requests_total", "CPC")
UP = key("adbid_store_up", "redis")


@dataclass(slots=True)
class Clock:
    now: float = 1_000.0

    def __call__(self) -> float:
        return self.now


@dataclass(slots=True)
class Wire:
    """A collector at the end of a call that may be lost before or after it arrives."""

    collector: Collector
    lost: list[str] = field(default_factory=list)

    async def send(self, report: Report) -> None:
        how = self.lost.pop(0) if self.lost else ""
        if how == "before":
            raise ConnectionError
        self.collector.take(report)
        if how == "after":
            raise ConnectionError


def values(collector: Collector) -> dict[str, float]:
    """The text as Prometheus' own parser reads it: `name{label="value"}` to value."""
    found = {}
    for family in text_string_to_metric_families(collector.text().decode()):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            found[f"{sample.name}{{{labels}}}" if labels else sample.name] = sample.value
    return found


async def test_totals_survive_the_replica_that_counted_them_and_gauges_do_not() -> None:
    clock = Clock()
    collector = Collector(clock)
    counts: dict[Key, float] = {BIDS: 5, key("adbid_queue_length", "events"): 3}
    first = Reporter("Ingress", [lambda: counts], Wire(collector).send)
    second = Reporter("Ingress", [lambda: {BIDS: 2}], Wire(collector).send)
    await asyncio.gather(first.report(), second.report())
    assert values(collector)['bid_requests_total{model="CPC"}'] == 7
    assert values(collector)['adbid_replicas{deployment="Ingress"}'] == 2
    clock.now += 4
    await second.report()
    clock.now += 4
    found = values(collector)
    assert found['bid_requests_total{model="CPC"}'] == 7
    assert found['adbid_replicas{deployment="Ingress"}'] == 1
    assert 'adbid_queue_length{queue="events"}' not in found


@pytest.mark.parametrize("how", ["before", "after"])
async def test_a_lost_report_is_counted_once(how: str) -> None:
    collector = Collector(Clock())
    counts: dict[Key, float] = {BIDS: 1}
    reporter = Reporter("Ingress", [lambda: dict(counts)], Wire(collector, ["", how]).send)
    await reporter.report()
    counts[BIDS] = 4
    with pytest.raises(ConnectionError):
        await reporter.report()
    counts[BIDS] = 9
    await reporter.report()
    await reporter.report()
    assert values(collector)['bid_requests_total{model="CPC"}'] == 9


async def test_a_new_collector_starts_at_zero() -> None:
    collector = Collector(Clock())
    wire = Wire(collector)
    counts: dict[Key, float] = {BIDS: 10}
    reporter = Reporter("Ingress", [lambda: dict(counts)], wire.send)
    await reporter.report()
    wire.collector = Collector(Clock())
    counts[BIDS] = 13
    await reporter.report()
    assert values(wire.collector)['bid_requests_total{model="CPC"}'] == 3


async def test_a_new_collector_knows_every_series_that_stands_still() -> None:
    """Alerts ask whether a counter grows; of one that is missing they would say nothing."""
    still, zero = key("adbid_events_counted_total"), key("adbid_rollup_failures_total")
    wire = Wire(Collector(Clock()))
    reporter = Reporter("Rollup", [lambda: {still: 7.0, zero: 0.0}], wire.send)
    await reporter.report()
    wire.collector = Collector(Clock())
    await reporter.report()
    found = values(wire.collector)
    assert [found[each[0]] for each in (still, zero)] == [0, 0]


def test_a_store_is_up_when_every_replica_says_so() -> None:
    collector = Collector(Clock())
    for name, up in (("a", 1.0), ("b", 0.0)):
        collector.take(Report(name, 1, {}, {UP: up}))
    assert values(collector)['adbid_store_up{store="redis"}'] == 0


def test_bundles_are_counted_by_latency_model_reason_and_part() -> None:
    meter = ScoreMeter()
    scored = [a_scored(took_s=0.001), a_scored(took_s=0.025), a_scored(took_s=0.026)]
    for each in scored:
        meter.record(each)
    collector = Collector(Clock())
    collector.take(Report("a", 1, meter.read(), {}))
    found = values(collector)
    bids = sum(len(each.evaluation.reason) for each in scored)
    assert found[f"{LATENCY}_count"] == found['adbid_score_requests_total{status="200"}'] == 3
    assert found[f'{LATENCY}_bucket{{le="0.025"}}'] == 2
    assert found[f"{LATENCY}_sum"] == pytest.approx(0.052)
    assert found["adbid_deadline_misses_total"] == 1
    assert sum(v for k, v in found.items() if k.startswith("bid_requests_total")) == bids
    assert sum(v for k, v in found.items() if k.startswith("adbid_bid_outcomes_total")) == bids
    assert sum(meter.read().values()) == sum(meter.read().values())


def test_the_overview_is_of_the_last_seconds() -> None:
    clock = Clock()
    collector = Collector(clock)
    meter = ScoreMeter()
    meter.record(a_scored(took_s=0.004))
    collector.take(Report("a", 1, meter.read(), {}))
    clock.now += 1
    now = collector.overview(10)
    assert now.requests_per_s == pytest.approx(0.1)
    assert now.p95_ms is not None
    assert 3 < now.p95_ms <= 4
    assert now.degraded_share == 0
    assert collector.overview(10) == now
    clock.now += 11
    assert collector.overview(10).requests_per_s == 0
    assert [s.requests_per_s for s in collector.series(60, 10)].count(0.1) == 1


def test_a_quantile_is_linear_within_its_bucket() -> None:
    counts = [0.0] * (len(LATENCY_EDGES) + 1)
    assert quantile_ms(0.95, counts) is None
    counts[1] = 100.0
    assert quantile_ms(0.5, counts) == pytest.approx(0.75)
    counts[-1] = 10_000.0
    assert quantile_ms(0.95, counts) == 1000 * LATENCY_EDGES[-1]


async def test_the_registry_tells_age_and_verdicts() -> None:
    registry = MemoryRegistry()
    registry.add(ModelVersion(CTR_MODEL, "1", 5_000, "run", tags={"gate": "passed"}))
    registry.add(ModelVersion(CTR_MODEL, "2", 9_000, "other", tags={"gate": "failed"}))
    assert await look_at_models(registry) == {
        key("adbid_model_trained_timestamp_seconds", CTR_MODEL): 9.0,
        key("adbid_gate_verdicts", CTR_MODEL, "passed"): 1,
        key("adbid_gate_verdicts", CTR_MODEL, "failed"): 1,
    }


class Sums(MemoryLiveQuality):
    """What version 1 said, and what came of it."""

    actual = 400

    async def served(self, name: str, version: str, span: Span) -> LiveSums:
        return LiveSums(50_000, 520.0, self.actual) if version == "1" else LiveSums()


async def test_calibration_is_that_of_live_outcomes() -> None:
    registry, quality = MemoryRegistry(), Sums()
    for number in ("1", "2"):
        registry.add(ModelVersion(CTR_MODEL, number, 5_000, "run"))
    registry.runs["run"] = {"holdout_ratio": 0.97}
    span = Span(datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 8, tzinfo=UTC))
    assert await look_at_outcomes(registry, quality, span) == {}
    await registry.set_alias(CTR_MODEL, CHAMPION, "1")
    assert await look_at_outcomes(registry, quality, span) == {
        key("adbid_model_calibration_ratio", CTR_MODEL): 1.3
    }
    quality.actual = 399
    assert await look_at_outcomes(registry, quality, span) == {}


def test_every_metric_is_documented_as_it_is() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \| (.+) \|$", DOCS.read_text(), re.MULTILINE)
    documented = [
        (name, kind, tuple(re.findall(r"`(\w+)`", labels)), says)
        for name, kind, labels, says in rows
    ]
    assert documented == [
        (m.name, m.kind, ("le",) if m.kind == "histogram" else m.labels, m.says) for m in METRICS
    ]
    with pytest.raises(ValueError, match="has the labels"):
        key("bid_requests_total")
    assert len(BY_NAME) == len(METRICS)
