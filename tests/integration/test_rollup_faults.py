"""Whatever is killed while events flow, every acknowledged event is counted exactly once."""

import asyncio
import random
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import psycopg
import pytest

from bidding.errors import StoreUnavailable
from bidding.events import Context, Event, EventType
from stores.decision_types import row_of
from stores.decisions import PostgresDecisions
from stores.event_settings import RollupSettings
from stores.events import PostgresEvents
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup
from tests.decision_cases import a_decision
from tests.servers import PostgresProcess

ROOT = Path(__file__).parents[2]
NOW = datetime.now(UTC) - timedelta(hours=1)
KILLS = 6
CANCELS = 40
LEFT = "SELECT (SELECT count(*) FROM event_batch), (SELECT count(*) FROM event_waiting)"
DECISIONS = 600
KEYLESS = 300
SUMS = "sum(impressions), sum(clicks), sum(conversions)"


@pytest.fixture
async def postgres(own_postgres: PostgresProcess) -> AsyncIterator[Postgres]:
    found = Postgres(own_postgres.url("postgres"), timeout_s=5)
    yield found
    await found.aclose()


def sums(url: str, table: str = "performance") -> tuple[int, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(f"SELECT {SUMS} FROM {table}").fetchone()
    assert row is not None
    return tuple(int(value or 0) for value in row)


async def some_events(postgres: Postgres, prefix: str) -> list[Event]:
    """Impressions, clicks and conversions of logged decisions and of none, out of order."""
    decisions = [
        a_decision(number, NOW + timedelta(milliseconds=number), bids=3)
        for number in range(1, DECISIONS + 1)
    ]
    log = PostgresDecisions(postgres)
    rows = [row_of(decision) for decision in decisions]
    known = await log.known(rows)
    await log.record([row for row in rows if row[0] not in known], [])
    events = [
        an_event(f"{prefix}-{type_}-{number}", type_, decision.decision_id)
        for number, decision in enumerate(decisions)
        for type_ in EventType
    ]
    here = Context(1, 2, "mobile", "banner")
    events += [
        an_event(f"{prefix}-alone-{number}", EventType.IMPRESSION, None, here)
        for number in range(KEYLESS)
    ]
    random.Random(prefix).shuffle(events)
    return events


def an_event(
    event_id: str, type_: EventType, decision: UUID | None, context: Context | None = None
) -> Event:
    return Event(event_id, type_, NOW, decision, context=context)


async def until_counted(url: str, within_s: float = 60) -> None:
    async with asyncio.timeout(within_s):
        while True:
            with psycopg.connect(url) as connection:
                row = connection.execute(LEFT).fetchone()
            if row == (0, 0):
                return
            await asyncio.sleep(0.2)


async def test_a_rollup_killed_anywhere_counts_every_event_once(
    own_postgres: PostgresProcess, postgres: Postgres, redis_url: str
) -> None:
    url = own_postgres.url("postgres")
    before = sums(url)
    store = PostgresEvents(postgres)
    events = await some_events(postgres, "rollup")
    for start in range(0, len(events), 20):
        await store.record(events[start : start + 20])
    rng = random.Random(7)
    counted_at_kill = []
    for _ in range(KILLS):
        child = start_child(url, redis_url)
        await asyncio.sleep(rng.uniform(0.02, 0.25))
        child.kill()
        child.wait(10)
        counted_at_kill.append(sums(url)[0] - before[0])
    child = start_child(url, redis_url)
    await until_counted(url)
    child.kill()
    child.wait(10)
    expected = (DECISIONS + KEYLESS, DECISIONS, DECISIONS)
    after = sums(url)
    assert tuple(a - b for a, b in zip(after, before, strict=True)) == expected
    assert counted_at_kill[0] < expected[0], "the first kill came too late to show anything"
    for table in ("pair_total", "brand_total", "slot_hour", "brand_hour"):
        assert sums(url, table) == after, table


def start_child(url: str, redis_url: str) -> "subprocess.Popen[bytes]":
    child = subprocess.Popen(
        [sys.executable, "-m", "tests.rollup_child", url, redis_url],
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == b"counting\n"
    return child


async def test_postgresql_killed_while_events_flow_loses_and_repeats_nothing(
    own_postgres: PostgresProcess, postgres: Postgres, redis_url: str
) -> None:
    url = own_postgres.url("postgres")
    before = sums(url)
    # other decisions than the first test's: theirs have all their events
    with psycopg.connect(url) as connection:
        connection.execute("TRUNCATE outcome")
    events = await some_events(postgres, "server")
    publisher = Publisher(postgres, RedisCache(redis_url))
    rollup = PostgresRollup(postgres, publisher, RollupSettings(settle_s=0, batch_events=100))
    counting = asyncio.create_task(count_for_ever(rollup))
    async with asyncio.TaskGroup() as group:  # a server that does not come back ends the reports
        group.create_task(kill_twice(own_postgres))
        for start in range(0, len(events), 10):
            await report(PostgresEvents(postgres), events[start : start + 10])
            await asyncio.sleep(0.01)
    await until_counted(url)
    counting.cancel()
    await asyncio.wait({counting}, timeout=5)
    await publisher.aclose()
    assert counting.cancelled()
    after = sums(url)
    expected = (DECISIONS + KEYLESS, DECISIONS, DECISIONS)
    assert tuple(a - b for a, b in zip(after, before, strict=True)) == expected


async def test_what_retries_a_store_for_ever_ends_when_it_is_cancelled(
    own_postgres: PostgresProcess,
) -> None:
    rng = random.Random(3)
    for _ in range(CANCELS):
        postgres = Postgres(own_postgres.url("postgres"), timeout_s=5)
        task = asyncio.create_task(ask_for_ever(postgres))
        await asyncio.sleep(rng.uniform(0, 0.04))
        task.cancel()
        await postgres.aclose()
        ended, _ = await asyncio.wait({task}, timeout=2)
        task.cancel()
        assert ended
        assert task.cancelled()


async def ask_for_ever(postgres: Postgres) -> None:
    while True:
        try:
            async with postgres.transaction() as connection:
                await connection.execute("SELECT pg_sleep(0.003)")
        except StoreUnavailable:
            await asyncio.sleep(0.1)


async def report(store: PostgresEvents, events: list[Event]) -> None:
    """As an ad server does: the same again until it is acknowledged."""
    while True:
        try:
            await store.record(events)
        except StoreUnavailable:
            await asyncio.sleep(0.1)
            continue
        return


async def count_for_ever(rollup: PostgresRollup) -> None:
    while True:
        try:
            await rollup.advance()
        except StoreUnavailable:
            await asyncio.sleep(0.1)
        await asyncio.sleep(0)


async def kill_twice(own_postgres: PostgresProcess) -> None:
    for _ in range(2):
        await asyncio.sleep(0.5)
        await asyncio.to_thread(own_postgres.kill)
        await asyncio.to_thread(own_postgres.start)
