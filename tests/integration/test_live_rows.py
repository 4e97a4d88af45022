"""Impressions of our own decisions as rows to learn from."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from bidding.events import Event, EventType
from stores.decision_types import row_of
from stores.decisions import PostgresDecisions
from stores.event_settings import RollupSettings
from stores.events import PostgresEvents
from stores.outcomes import Maturity, live_rows
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup
from stores.training_rows import COLUMNS, Window
from tests.decision_cases import a_decision

NOW = datetime.now(UTC).replace(microsecond=0)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
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
