"""What is kept of decisions and events, and for how long."""

import asyncio
import time
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import psycopg
import pytest

from stores.decisions import fetch_terms
from stores.event_settings import EventSettings, RetentionDays
from stores.partitions import ensure_partitions
from stores.postgres import Postgres
from stores.retention import keep_partitions

NOW = datetime.now(UTC)
SETTINGS = EventSettings(days_ahead=2, retention_days=RetentionDays(decision_bids=1))
_EVENT_KEY = "INSERT INTO event_key (event_id, received_at) VALUES (%s, %s)"
_EVENT = "INSERT INTO event (event_id, occurred_at, type) VALUES (%s, %s, 'click')"


def tables(url: str) -> set[str]:
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute("SELECT tablename FROM pg_tables")}


def day(table: str, days_ago: int) -> str:
    return f"{table}_{NOW - timedelta(days=days_ago):%Y%m%d}"


def test_old_days_are_dropped_and_coming_ones_made(empty_postgres_url: str) -> None:
    ensure_partitions(empty_postgres_url, days_ahead=0, days_back=3)
    dropped = keep_partitions(empty_postgres_url, SETTINGS, NOW)
    assert dropped == [day("decision_bids", 3), day("decision_bids", 2)]
    kept = tables(empty_postgres_url)
    assert {day("decision_bids", 1), day("event", 3), day("event", -2)} <= kept
    assert keep_partitions(empty_postgres_url, SETTINGS, NOW) == []


def test_rows_outside_of_partitions_go_too(empty_postgres_url: str) -> None:
    old, young = NOW - timedelta(days=100), NOW - timedelta(days=20)
    with psycopg.connect(empty_postgres_url) as connection:
        for name, at in (("old", old), ("young", young)):
            connection.execute(_EVENT_KEY, (name, at))
            connection.execute(_EVENT, (name, at))
    keep_partitions(empty_postgres_url, SETTINGS, NOW)
    with psycopg.connect(empty_postgres_url) as connection:
        for table in ("event_key", "event"):
            assert connection.execute(f"SELECT event_id FROM {table}").fetchall() == [("young",)]


def test_outcomes_of_foreign_ids_stay_as_long_as_their_events(empty_postgres_url: str) -> None:
    """Such an id says not when its decision was made: 1970 stands there."""
    statement = (
        "INSERT INTO outcome (decision_id, bid_id, decided_at, slot_id, brand_id,"
        " impression_event_id, impression_at) VALUES (%s, 'b1', 'epoch', 1, 1, %s, %s)"
    )
    with psycopg.connect(empty_postgres_url) as connection:
        for name, days in (("old", 100), ("young", 1)):
            connection.execute(statement, (uuid4(), name, NOW - timedelta(days=days)))
    keep_partitions(empty_postgres_url, SETTINGS, NOW)
    with psycopg.connect(empty_postgres_url) as connection:
        found = connection.execute("SELECT impression_event_id FROM outcome").fetchall()
    assert found == [("young",)]


def test_a_day_that_is_being_read_is_left_for_the_next_time(empty_postgres_url: str) -> None:
    ensure_partitions(empty_postgres_url, days_ahead=0, days_back=3)
    with psycopg.connect(empty_postgres_url) as reader:
        reader.execute("SELECT count(*) FROM decision_bids")
        assert keep_partitions(empty_postgres_url, SETTINGS, NOW) == []
    assert keep_partitions(empty_postgres_url, SETTINGS, NOW) != []


async def test_a_dump_that_reads_every_day_holds_up_neither_the_rollup_nor_the_drops(
    empty_postgres_url: str,
) -> None:
    ensure_partitions(empty_postgres_url, days_ahead=2, days_back=3)
    postgres = Postgres(empty_postgres_url)
    with psycopg.connect(empty_postgres_url) as dump:
        dump.execute(f"DROP TABLE {day('decision', -1)}")
        dump.commit()
        dump.execute("SELECT count(*) FROM decision")
        started = time.monotonic()
        keeping = asyncio.create_task(
            asyncio.to_thread(keep_partitions, empty_postgres_url, SETTINGS, NOW)
        )
        await asyncio.sleep(0.5)
        await terms_of_some_decision(postgres)
        assert day("decision_bids", 3) in await keeping
        assert time.monotonic() - started < 4
        await terms_of_some_decision(postgres)
        with pytest.raises(psycopg.errors.LockNotAvailable):
            ensure_partitions(empty_postgres_url, days_ahead=2)
    await postgres.aclose()
    assert day("decision", -1) not in tables(empty_postgres_url)
    keep_partitions(empty_postgres_url, SETTINGS, NOW)
    assert day("decision", -1) in tables(empty_postgres_url)


async def test_whoever_reads_events_and_then_decisions_costs_no_drop(
    empty_postgres_url: str,
) -> None:
    ensure_partitions(empty_postgres_url, days_ahead=0, days_back=3)
    with psycopg.connect(empty_postgres_url) as reader:
        reader.execute(f"DROP TABLE {day('decision', 0)}, {day('event', 0)}")
        reader.commit()
        reader.execute("SELECT count(*) FROM event")
        keeping = asyncio.create_task(
            asyncio.to_thread(keep_partitions, empty_postgres_url, SETTINGS, NOW)
        )
        await asyncio.sleep(0.5)
        await asyncio.to_thread(reader.execute, "SELECT count(*) FROM decision")
        assert day("decision_bids", 3) in await keeping


def test_a_start_beside_a_dump_makes_do_with_the_days_up_to_tomorrow(
    empty_postgres_url: str,
) -> None:
    ensure_partitions(empty_postgres_url, days_ahead=2)
    with psycopg.connect(empty_postgres_url) as dump:
        dump.execute("SELECT count(*) FROM decision")
        assert ensure_partitions(empty_postgres_url, days_ahead=9) == 0
    assert ensure_partitions(empty_postgres_url, days_ahead=9) > 0


async def terms_of_some_decision(postgres: Postgres) -> None:
    async with postgres.transaction() as connection:
        assert await fetch_terms(connection, {uuid4(): set()}) == {}
