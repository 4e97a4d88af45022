"""The rollup's queue and its notes of what caches are owed, with two connections at once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import psycopg
import pytest

from bidding.decision_ids import decision_id
from bidding.events import Context, Event, EventType
from deployments.rollup import RollupLoop
from stores.event_settings import RollupSettings
from stores.events import PostgresEvents
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup

NOW = datetime.now(UTC) - timedelta(hours=1)
SETTINGS = RollupSettings(settle_s=0, every_s=60, refresh_s=60)
BATCHES = 3_000
BLOCKED = "SELECT FROM pg_stat_activity WHERE $1 = ANY(pg_blocking_pids(pid))"


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    found = Postgres(postgres_url, max_size=8, timeout_s=5, transaction_timeout_s=60)
    yield found
    await found.aclose()


@pytest.fixture
async def rollup(postgres: Postgres, redis_url: str) -> AsyncIterator[PostgresRollup]:
    redis = RedisCache(redis_url)
    publisher = Publisher(postgres, redis)
    yield PostgresRollup(postgres, publisher, SETTINGS)
    await publisher.aclose()
    await redis.aclose()


def an_event(event_id: str, slot_id: int) -> Event:
    here = Context(slot_id, 2, "mobile", "banner")
    return Event(event_id, EventType.IMPRESSION, NOW, None, context=here)


def a_pending_event(event_id: str) -> Event:
    """Its decision is not logged yet: the rollup flags it, after it noted who is owed."""
    now = datetime.now(UTC)
    return Event(event_id, EventType.IMPRESSION, now, decision_id(now, (9).to_bytes(10, "big")))


async def test_batches_of_one_event_are_counted_without_a_pause(
    postgres: Postgres, rollup: PostgresRollup
) -> None:
    store = PostgresEvents(postgres)
    await asyncio.gather(*(store.record([an_event(f"one-{n}", 1)]) for n in range(BATCHES)))
    loop = RollupLoop(rollup, SETTINGS)
    counting = asyncio.create_task(loop.count())
    with suppress(TimeoutError):
        async with asyncio.timeout(20):
            while loop.counted < BATCHES:  # noqa: ASYNC110 (what is waited for is no event)
                await asyncio.sleep(0.05)
    counting.cancel()
    assert (loop.counted, await rollup.backlog()) == (BATCHES, 0)


async def test_a_slot_is_owed_until_whoever_tells_of_it_can_read_the_last_counts(
    postgres: Postgres, rollup: PostgresRollup, postgres_url: str
) -> None:
    store = PostgresEvents(postgres)
    await rollup.refresh()
    await store.record([an_event("first", 3)])
    await rollup.advance()
    await store.record([an_event("second", 3), a_pending_event("pending")])
    with psycopg.connect(postgres_url) as holder:
        holder.execute("SELECT FROM event WHERE event_id = 'pending' FOR UPDATE")
        advancing = asyncio.create_task(rollup.advance())
        await until_waited_for(postgres, holder)
        refreshing = asyncio.create_task(rollup.refresh())
        await asyncio.sleep(0.5)
        told_too_early = refreshing.done()
    await advancing
    told = await refreshing
    assert (await rollup.refresh() if told_too_early else told) == 1


async def test_counts_that_come_while_a_slot_is_told_of_are_told_next(
    postgres: Postgres, rollup: PostgresRollup, postgres_url: str
) -> None:
    store = PostgresEvents(postgres)
    await rollup.refresh()
    await store.record([an_event("third", 5), an_event("fourth", 6)])
    await rollup.advance()
    await store.record([an_event("fifth", 6), an_event("sixth", 5)])
    with psycopg.connect(postgres_url) as holder:
        holder.execute("SELECT FROM engine_state FOR UPDATE")
        refreshing = asyncio.create_task(rollup.refresh())
        await until_waited_for(postgres, holder)
        advancing = asyncio.create_task(rollup.advance())
        await asyncio.sleep(0.5)
    assert await refreshing == 2
    assert await advancing >= 2  # also what waits for its decision, where it is due
    assert await rollup.refresh() == 2


async def until_waited_for(postgres: Postgres, holder: psycopg.Connection) -> None:
    async with asyncio.timeout(10):
        while not await postgres.fetch(BLOCKED, holder.info.backend_pid):  # noqa: ASYNC110
            await asyncio.sleep(0.02)
