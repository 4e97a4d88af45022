"""Impressions of our own decisions as rows to learn from."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import polars as pl
import psycopg
import pytest

from bidding.events import Context, Event, EventType
from stores.decision_types import row_of
from stores.decisions import PostgresDecisions
from stores.event_settings import RollupSettings
from stores.events import PostgresEvents
from stores.feature_contract import load_contract
from stores.outcomes import Maturity, live_rows
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup
from stores.training_rows import COLUMNS, Window, reported_clicks
from tests.decision_cases import a_decision
from training.spec import load_spec
from training.tables import conversions_in, read_tables

NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
DROP_DEMO_HISTORY = """
    DELETE FROM performance WHERE slot_id = 7
        AND hour_at NOT IN (SELECT date_trunc('hour', impression_at, 'UTC') FROM outcome)
"""
CELL_OF_TWO = """
    SELECT slot_id, brand_id, device_type, creative_type FROM outcome
    WHERE impression_event_id = 'impression-2'
"""
ORDER_AFTER = "UPDATE outcome SET conversion_at = click_at + %s WHERE click_event_id = 'click-3'"
REWRITE = "UPDATE outcome SET simulated = simulated WHERE impression_event_id = 'impression-1'"
FORGET_DECISION = """
    DELETE FROM decision USING outcome o
    WHERE decision.decision_id = o.decision_id AND o.click_event_id = 'click-3'
"""
# by number: days ago, whether clicked, whether converted, whether simulated
SHOWN = {
    1: (5, False, False, False),
    2: (5, True, False, False),
    3: (5, True, True, False),
    4: (0.2, True, False, False),
    5: (0.2, True, True, True),
    6: (0.01, True, False, False),
    7: (20, False, False, True),
}


@pytest.fixture
async def filled(postgres_url: str, redis_url: str) -> AsyncIterator[str]:
    postgres = Postgres(postgres_url, timeout_s=5)
    publisher = Publisher(postgres, RedisCache(redis_url))
    rows, events = [], []
    for number, (days, clicked, converted, simulated) in SHOWN.items():
        at = NOW - days * DAY
        decision = a_decision(number, at, bids=3, simulated=simulated)
        rows.append(row_of(decision))
        for type_, there in zip(EventType, (True, clicked, converted), strict=True):
            if there:
                events.append(Event(f"{type_}-{number}", type_, at, decision.decision_id))
    rows = [row for row in rows if row[0] not in await PostgresDecisions(postgres).known(rows)]
    await PostgresDecisions(postgres).record(rows, [])
    await PostgresEvents(postgres).record(events)
    rollup = PostgresRollup(postgres, publisher, RollupSettings(settle_s=0))
    while await rollup.advance():
        pass
    yield postgres_url
    await publisher.aclose()
    await postgres.aclose()


def read(url: str, window: Window = Window(), simulated: bool | None = None) -> pl.DataFrame:
    maturity = Maturity(click=HOUR, conversion=DAY)
    return pl.concat(live_rows(url, NOW, window, maturity, simulated=simulated))


def found(frame: pl.DataFrame) -> list[tuple[float, bool, bool | None]]:
    """Days ago, clicked, converted; the oldest first."""
    return [
        (round((NOW - at) / DAY, 2), clicked, converted)
        for at, clicked, converted in frame.sort("occurred_at", "clicked", "converted")
        .select("occurred_at", "clicked", "converted")
        .iter_rows()
    ]


async def test_mature_impressions_come_with_their_context(filled: str) -> None:
    frame = read(filled)
    assert frame.columns == list(COLUMNS)
    row = frame.row(0, named=True)
    assert (row["slot"], row["partner"]) == ("demo-slot-7", "demo-partner-1")
    assert row["brand"].startswith("demo-brand-")
    assert (row["device_type"], row["browser"]) == ("mobile", "firefox")
    assert row["segments"] == ["10063", "news"]
    assert row["creative"].startswith("c")
    assert row["hour_of_day"] == row["occurred_at"].hour
    assert row["day_of_week"] == row["occurred_at"].weekday()
    assert frame["row_key"].n_unique() == len(frame)


async def test_what_may_still_come_is_not_known(filled: str) -> None:
    assert found(read(filled)) == [
        (20.0, False, False),
        (5.0, False, False),
        (5.0, True, False),
        (5.0, True, True),
        (0.2, True, None),
        (0.2, True, None),
    ]


async def test_a_window_and_real_traffic_alone_can_be_asked_for(filled: str) -> None:
    assert len(found(read(filled, Window(NOW - 6 * DAY, NOW - 4 * DAY)))) == 3
    assert found(read(filled, simulated=True)) == [(20.0, False, False), (0.2, True, None)]
    assert len(read(filled, simulated=False)) == 4


async def test_a_served_click_is_not_learned_from_twice(filled: str, redis_url: str) -> None:
    """Its impression has the context; `performance` counts it too, beside clicks of reports."""
    teach_nothing_else(filled)
    assert sum(table["times"].sum() for table in reported_clicks(filled)) == 0
    await report(filled, redis_url, (2, 2, 1), NOW - 5 * DAY, None)
    told = pl.concat(reported_clicks(filled)).sort("converted")
    assert told.select("converted", "times").rows() == [(False, 1.0), (True, 1.0)]
    tables = read_tables(filled, load_spec().nightly, NOW)
    served = sum(table["clicked"].sum() for table in tables.impressions)
    assert served == 4  # the fifth is a quarter of an hour old
    mature = 2  # of the served ones; the reported two are five days old
    assert conversions_in(tables.cvr_rows(load_contract())) == (1 + 1, mature - 1 + 1)


def test_an_order_counts_within_the_same_time_of_every_click(filled: str) -> None:
    for wait, counts in ((4 * DAY, False), (DAY, False), (0.99 * DAY, True), (0 * DAY, True)):
        with psycopg.connect(filled) as connection:
            connection.execute(ORDER_AFTER, (wait,))
        assert found(read(filled)).count((5.0, True, True)) == counts


def test_the_same_history_is_read_in_the_same_order(filled: str) -> None:
    keys = read(filled)["row_key"].to_list()
    assert keys == sorted(keys)
    with psycopg.connect(filled) as connection:
        connection.execute(REWRITE)
    assert read(filled)["row_key"].to_list() == keys


def clicks_at(url: str, days: int, since: datetime | None) -> dict[str, float]:
    """How often clicks of so many days ago are learned from, by their browser."""
    tables = read_tables(url, load_spec().nightly, NOW, since)
    rows = pl.concat([*tables.impressions, *tables.reported])
    that_day = pl.col("occurred_at").is_between(NOW - (days + 0.5) * DAY, NOW - (days - 0.5) * DAY)
    mine = rows.filter(pl.col("clicked") & that_day)
    return dict(mine.group_by("browser").agg(pl.col("times").sum()).iter_rows())


async def test_a_click_of_an_id_that_is_not_ours_is_learned_from_as_a_reported_one(
    filled: str, redis_url: str
) -> None:
    teach_nothing_else(filled)
    await report(filled, redis_url, (1, 1, 0), NOW - 9 * DAY, uuid4())
    for since in (None, NOW - 30 * DAY):
        assert clicks_at(filled, 9, since) == {"": 1.0}


async def test_what_lost_its_decision_does_not_come_with_an_empty_context(filled: str) -> None:
    teach_nothing_else(filled)
    before = clicks_at(filled, 5, None)
    with psycopg.connect(filled) as connection:
        assert connection.execute(FORGET_DECISION).rowcount == 1
    assert set(read(filled)["browser"]) == {"firefox"}
    after = {"": before.get("", 0.0) + 1.0, "firefox": before["firefox"] - 1.0}
    for since in (None, NOW - 30 * DAY):
        assert clicks_at(filled, 5, since) == after


def teach_nothing_else(url: str) -> None:
    """The demo's own slots teach nothing: slot 7 becomes another, without the demo's counts."""
    with psycopg.connect(url) as connection:
        connection.execute("UPDATE slot SET external_key = 'pub-7' WHERE id = 7")
        connection.execute(DROP_DEMO_HISTORY)


async def report(
    url: str, redis_url: str, times: tuple[int, int, int], at: datetime, decision: UUID | None
) -> None:
    """So many impressions, clicks and orders, in the cell of the served ones."""
    postgres = Postgres(url, timeout_s=5)
    publisher = Publisher(postgres, RedisCache(redis_url))
    with psycopg.connect(url) as connection:
        cell = connection.execute(CELL_OF_TWO).fetchone()
    assert cell is not None
    bid_id = None if decision is None else "b1"
    events = [
        Event(f"{decision}-{type_}-{n}", type_, at, decision, bid_id, context=Context(*cell))
        for type_, number in zip(EventType, times, strict=True)
        for n in range(number)
    ]
    await PostgresEvents(postgres).record(events)
    rollup = PostgresRollup(postgres, publisher, RollupSettings(settle_s=0))
    while await rollup.advance():
        pass
    await publisher.aclose()
    await postgres.aclose()
