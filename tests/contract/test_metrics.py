"""The sums for dashboards and their twin answer alike."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import psycopg
import pytest

from bidding.attribution import Cell, Counts
from bidding.events import Context
from stores import decision_totals as totals
from stores.decision_types import row_of
from stores.decisions import PostgresDecisions
from stores.demo import BRANDS, PARTNERS, SLOTS
from stores.memory_decisions import MemoryDecisions
from stores.memory_metrics import MemoryMetrics
from stores.metric_types import VpiQuery
from stores.metrics import PostgresMetrics, source_of
from stores.postgres import Postgres
from stores.totals import fold_statements
from tests.decision_cases import a_decision

MONDAY = datetime(2026, 11, 2, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ALL = (totals.DECISIONS, totals.WON, totals.DEGRADED, totals.SIMULATED, totals.REASON)
Metrics = PostgresMetrics | MemoryMetrics


def cells() -> dict[Cell, Counts]:
    """Ten days of slots 1 to 3, brands 1 and 2, two devices, a few hours each."""
    return {
        Cell(Context(slot, brand, device, "banner"), MONDAY + day * DAY + hour * HOUR): Counts(
            100 * slot + hour, 3 * brand, brand, Decimal(slot) / 8
        )
        for slot in (1, 2, 5)
        for brand in (1, 2)
        for device in ("mobile", "")
        for day in range(10)
        for hour in (0, 9, 23)
    }


@pytest.fixture(params=["postgres", "memory"])
async def metrics(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[Metrics]:
    decisions = [
        a_decision(number, MONDAY + number * 40 * timedelta(minutes=1), degraded=("rules",))
        for number in range(1, 6)
    ]
    rows = [row_of(decision) for decision in decisions]
    if request.param == "memory":
        log = MemoryDecisions()
        await log.record(rows, [])
        yield MemoryMetrics(
            cells(),
            log,
            {slot.slot_id: slot.name for slot in SLOTS},
            {brand.brand_id: brand.name for brand in BRANDS},
            {partner[0]: partner[1] for partner in PARTNERS},
            {slot.slot_id: slot.partner_id for slot in SLOTS},
        )
        return
    fill(postgres_url)
    postgres = Postgres(postgres_url, timeout_s=5)
    await PostgresDecisions(postgres).record(rows, [])
    yield PostgresMetrics(postgres)
    await postgres.aclose()


def fill(url: str) -> None:
    with psycopg.connect(url) as connection:
        connection.execute(
            "TRUNCATE performance, pair_total, brand_total, slot_hour, brand_hour, decision,"
            " decision_minute"
        )
        with connection.cursor() as cursor:
            cursor.executemany(
                "INSERT INTO performance (slot_id, brand_id, device_type, creative_type, hour_at,"
                " impressions, clicks, conversions, revenue)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s)",
                [
                    (c.slot_id, c.brand_id, c.device_type, c.creative_type, cell.hour_at,
                     n.impressions, n.clicks, n.conversions, n.revenue)
                    for cell, n in cells().items() for c in [cell.context]
                ],
            )  # fmt: skip
        for statement in fold_statements("performance"):
            connection.execute(statement)


def a_query(**changes: object) -> VpiQuery:
    fields: dict[str, object] = {"since": MONDAY, "until": MONDAY + 7 * DAY}
    return VpiQuery(**fields | changes)  # type: ignore[arg-type]


QUERIES = {
    "hour by weekday": a_query(),
    "day by slot": a_query(granularity="day", group_by="slot"),
    "hour by partner": a_query(group_by="partner"),
    "day by brand": a_query(granularity="day", group_by="brand"),
    "hour by device": a_query(group_by="device"),
    "one slot by brand": a_query(slot_id=2, group_by="brand"),
    "one brand by slot": a_query(brand_id=1, group_by="slot"),
    "one brand by weekday": a_query(brand_id=1),
    "one partner by slot": a_query(partner_id=1, group_by="slot"),
    "one partner by brand": a_query(partner_id=2, group_by="brand", device_type="mobile"),
    "no device by partner": a_query(device_type="", group_by="partner", granularity="day"),
    "nothing there": a_query(slot_id=999),
    "another time": a_query(since=MONDAY - 9 * DAY, until=MONDAY - DAY),
}


@pytest.mark.parametrize("query", QUERIES.values(), ids=QUERIES)
async def test_a_grid_is_the_sum_of_its_cells(metrics: Metrics, query: VpiQuery) -> None:
    expected = await MemoryMetrics(
        cells(),
        MemoryDecisions(),
        {slot.slot_id: slot.name for slot in SLOTS},
        {brand.brand_id: brand.name for brand in BRANDS},
        {partner[0]: partner[1] for partner in PARTNERS},
        {slot.slot_id: slot.partner_id for slot in SLOTS},
    ).sum_performance(query)
    assert await metrics.sum_performance(query) == expected
    assert bool(expected) == ("there" not in str(query) and query.slot_id != 999
                              and query.since == MONDAY)  # fmt: skip


def test_only_slots_crossed_with_brands_are_read_from_the_facts() -> None:
    sources = {name: source_of(query) for name, query in QUERIES.items()}
    facts = {name for name, source in sources.items() if source == "performance"}
    assert facts == {"one slot by brand", "one brand by slot", "one partner by brand"}


async def test_decisions_are_summed_by_minute_hour_and_day(metrics: Metrics) -> None:
    until = MONDAY + DAY
    hours = await metrics.sum_decisions(ALL, MONDAY, until, HOUR)
    made = [(each.at.hour, each.total) for each in hours if each.measure == totals.DECISIONS]
    assert made == [(0, 1), (1, 1), (2, 2), (3, 1)]
    days = await metrics.sum_decisions(ALL, MONDAY, until, DAY)
    by_measure = {each.measure: each.total for each in days if each.measure != totals.REASON}
    assert by_measure == {totals.DECISIONS: 5, totals.WON: 5, totals.DEGRADED: 5}
    assert sum(each.total for each in days if each.measure == totals.REASON) == 25
    assert await metrics.sum_decisions(ALL, until, until + DAY, DAY) == []


def test_a_quantile_of_durations_is_within_a_step() -> None:
    counts: dict[int, float] = {}
    for took_ms in range(1, 101):
        step = totals.took_bin(took_ms)
        counts[step] = counts.get(step, 0) + 1
    assert totals.took_quantile(counts, 0.95) == pytest.approx(95, rel=0.05)
    assert totals.took_quantile({}, 0.95) is None
