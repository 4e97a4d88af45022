"""Redis and PostgreSQL killed, frozen and brought back under a feature store."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

import asyncpg
import psycopg
import pytest

from bidding.errors import StoreUnavailable
from stores import postgres as postgres_of
from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING, Change
from stores.feature_types import SlotsFetched
from stores.features import FeatureStore
from stores.postgres import Postgres
from stores.redis_cache import RedisCache, external_slot_key, slot_key
from tests.servers import PostgresProcess, RedisProcess, ServerProcess
from tests.stopwatch import Stopwatch

DEADLINE_S = 0.1
# What a call may take beyond its deadline on a busy test machine.
SLACK_S = 0.25
RECOVERY_S = 8.0


@pytest.fixture
async def store(
    own_postgres: PostgresProcess, own_redis: RedisProcess
) -> AsyncIterator[FeatureStore]:
    store = FeatureStore(Postgres(own_postgres.url("postgres")), RedisCache(own_redis.url))
    await until(lambda: no_store_missing(store))
    yield store
    await store.aclose()


async def no_store_missing(store: FeatureStore) -> bool:
    """True once both stores answer; a slot that is in neither cache needs both."""
    fetched = await fetch(store, time.monotonic_ns() % 10**6 + 1000)
    return fetched is not None and not fetched.missing


async def fetch(store: FeatureStore, slot_id: int, deadline: float = 1.0) -> SlotsFetched | None:
    try:
        return await store.fetch_slots([slot_id], deadline)
    except StoreUnavailable:
        return None


async def until(holds: Callable[[], Awaitable[bool]], seconds: float = RECOVERY_S) -> float:
    """Waits until `holds`; answers how long it took."""
    started = time.monotonic()
    while not await holds():
        assert time.monotonic() - started < seconds, "did not recover in time"
        await asyncio.sleep(0.05)
    return time.monotonic() - started


async def slowest_call(store: FeatureStore, calls: int) -> float:
    worst = 0.0
    for number in range(calls):
        watch = Stopwatch()
        await fetch(store, 1 + number % 8, DEADLINE_S)
        worst = max(worst, watch.took_s())
    return worst


@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_without_redis_postgres_answers_and_redis_comes_back_by_itself(
    store: FeatureStore, own_redis: RedisProcess, fault: str
) -> None:
    getattr(own_redis, fault)()
    try:
        assert await slowest_call(store, 5) < DEADLINE_S + SLACK_S
        await until(lambda: answered_without(store, "redis"))
        assert "redis" in store.down()
    finally:
        own_redis.thaw() if fault == "freeze" else own_redis.start()
    await until(lambda: no_store_missing(store))
    assert store.down() == frozenset()


@pytest.mark.parametrize("fault", ["freeze", "kill"])
async def test_without_postgres_redis_answers_and_postgres_comes_back_by_itself(
    store: FeatureStore, own_postgres: PostgresProcess, fault: str
) -> None:
    never_seen = time.monotonic_ns()
    for slot_id in range(1, 9):
        await fetch(store, slot_id)
    await asyncio.sleep(0.2)  # the write-back runs on the side
    getattr(own_postgres, fault)()
    try:
        warm = await fetch(store, 7, DEADLINE_S)
        assert warm is not None
        assert warm.slots[7].slot_id == 7
        unseen = await store.fetch_slots([7, never_seen], DEADLINE_S)
        assert unseen.unanswered == {never_seen}
        assert "postgres" in unseen.missing
        assert await slowest_call(store, 20) < DEADLINE_S + SLACK_S
    finally:
        own_postgres.thaw() if fault == "freeze" else own_postgres.start()
    await until(lambda: no_store_missing(store))


async def answered_without(store: FeatureStore, name: str) -> bool:
    fetched = await fetch(store, 7)
    return fetched is not None and name in fetched.missing and 7 in fetched.slots


async def test_an_open_breaker_costs_a_call_nothing(
    store: FeatureStore, own_redis: RedisProcess
) -> None:
    own_redis.freeze()
    try:
        await until(lambda: is_down(store, "redis"))
        watch = Stopwatch()
        for _ in range(50):
            await fetch(store, 7)
        assert watch.took_s() / 50 < 0.05
    finally:
        own_redis.thaw()
    await until(lambda: no_store_missing(store))


async def is_down(store: FeatureStore, name: str) -> bool:
    await fetch(store, 7)
    return name in store.down()


@pytest.mark.parametrize("frozen", ["own_redis", "own_postgres"])
async def test_the_watcher_notices_a_frozen_store_before_any_request_does(
    store: FeatureStore, request: pytest.FixtureRequest, frozen: str
) -> None:
    server: ServerProcess = request.getfixturevalue(frozen)
    changes = store.watch_changes()
    watching = asyncio.create_task(drain(changes, []))
    await asyncio.sleep(0.3)
    name = frozen.removeprefix("own_")
    server.freeze()
    try:
        await until(lambda: named_down(store, name))
    finally:
        server.thaw()
    await until(lambda: nothing_down(store))
    watching.cancel()


async def named_down(store: FeatureStore, name: str) -> bool:
    return name in store.down()


async def nothing_down(store: FeatureStore) -> bool:
    return not store.down()


async def drain(changes: AsyncIterator[Change], into: list[Change]) -> None:
    async for change in changes:
        into += [change]


@pytest.mark.parametrize("killed", ["own_redis", "own_postgres"])
async def test_a_change_is_heard_through_either_store_and_after_a_restart(
    store: FeatureStore,
    own_postgres: PostgresProcess,
    own_redis: RedisProcess,
    request: pytest.FixtureRequest,
    killed: str,
) -> None:
    heard: list[Change] = []
    watching = asyncio.create_task(drain(store.watch_changes(), heard))
    await asyncio.sleep(0.3)
    server: ServerProcess = request.getfixturevalue(killed)
    server.kill()
    cache = RedisCache(own_redis.url)
    try:
        if killed == "own_redis":
            version = announce(own_postgres, "slot", 7)
        else:
            version = 10**6
            await cache.publish("adbid:changed", Change("slot", 7, version).encode())
        await until(lambda: contains(heard, Change("slot", 7, version)), 2.0)
    finally:
        server.start()
    before = len(heard)
    await until(lambda: resynchronized(heard, before))
    version = announce(own_postgres, "brand", 3)
    await until(lambda: contains(heard, Change("brand", 3, version)), 2.0)
    watching.cancel()
    await cache.aclose()


def announce(server: PostgresProcess, entity: str, number: int) -> int:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        row = connection.execute(ANNOUNCE_PSYCOPG, (entity, number)).fetchone()
    assert row is not None
    return int(row[0])


async def contains(heard: list[Change], change: Change) -> bool:
    return change in heard


async def resynchronized(heard: list[Change], before: int) -> bool:
    return any(change.entity == EVERYTHING for change in heard[before:])


async def test_a_change_told_by_both_stores_is_heard_once(
    store: FeatureStore, own_postgres: PostgresProcess, own_redis: RedisProcess
) -> None:
    heard: list[Change] = []
    watching = asyncio.create_task(drain(store.watch_changes(), heard))
    await asyncio.sleep(0.3)
    cache = RedisCache(own_redis.url)
    version = announce(own_postgres, "slot", 5)
    await cache.publish("adbid:changed", Change("slot", 5, version).encode())
    await asyncio.sleep(0.5)
    watching.cancel()
    await cache.aclose()
    assert heard.count(Change("slot", 5, version)) == 1


async def test_a_version_whose_message_was_lost_is_noticed(
    store: FeatureStore, own_postgres: PostgresProcess
) -> None:
    heard: list[Change] = []
    watching = asyncio.create_task(drain(store.watch_changes(), heard))
    await asyncio.sleep(0.5)
    before = len(heard)
    with psycopg.connect(own_postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("UPDATE engine_state SET version = version + 1")
    await until(lambda: resynchronized(heard, before))
    watching.cancel()


async def test_a_flushed_redis_is_filled_again(
    store: FeatureStore, own_redis: RedisProcess
) -> None:
    cache = RedisCache(own_redis.url)
    key = "demo-slot-2"
    await store.fetch_slots([key], 1.0)
    await asyncio.sleep(0.2)
    await cache.forget([slot_key(2), external_slot_key(key)])
    again = await store.fetch_slots([key], 1.0)
    assert again.slots[key].slot_id == 2
    await asyncio.sleep(0.2)
    assert await cache.read(slot_key(2), 1.0) is not None
    await cache.aclose()


async def test_a_connection_is_replaced_after_so_many_queries(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the process behind it grows for as long as it is busy."""
    monkeypatch.setattr(postgres_of, "QUERIES_OF_A_CONNECTION", 3)
    postgres = Postgres(postgres_url, max_size=1)
    try:
        rows = [await postgres.fetch("SELECT pg_backend_pid()") for _ in range(9)]
    finally:
        await postgres.aclose()
    assert len({pid for ((pid,),) in rows}) > 1


async def test_a_query_that_its_caller_gave_up_ends_in_the_server_too(postgres_url: str) -> None:
    postgres = Postgres(postgres_url, timeout_s=0.2)
    with pytest.raises(StoreUnavailable):
        await postgres.fetch("SELECT pg_sleep(30)")
    await until(lambda: nobody_sleeps(postgres_url), 3.0)
    await postgres.aclose()


async def nobody_sleeps(url: str) -> bool:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT count(*) FROM pg_stat_activity"
            " WHERE pid <> pg_backend_pid() AND state = 'active' AND query LIKE '%pg_sleep(30)%'"
        ).fetchone()
    return row == (0,)


async def test_the_server_ends_what_a_client_that_stands_still_can_no_longer_give_up(
    postgres_url: str,
) -> None:
    """The deadline is the server's too: here nobody on our side watches the time."""
    postgres = Postgres(postgres_url, timeout_s=1, transaction_timeout_s=0.5)
    connection = await postgres.connect()
    with pytest.raises(asyncpg.QueryCanceledError):
        await connection.execute("SELECT pg_sleep(30)")
    connection.terminate()
    await postgres.aclose()
