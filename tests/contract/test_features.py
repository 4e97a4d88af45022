"""The feature store on real servers: what it answers, and what it does when one is away."""

import asyncio
from collections.abc import AsyncIterator

import psycopg
import pytest

from bidding.errors import StoreUnavailable
from stores.changes import ANNOUNCE_PSYCOPG
from stores.features import FeatureStore
from stores.postgres import Postgres
from stores.redis_cache import RULES_KEY, Document, RedisCache, slot_key
from tests.servers import RedisProcess, free_port

WAIT_S = 1.0
# Where what is waited for is held back by the test itself, on however busy a machine.
PATIENT_S = 20.0


@pytest.fixture
async def store(postgres_url: str, redis_url: str) -> AsyncIterator[FeatureStore]:
    found = FeatureStore(Postgres(postgres_url), RedisCache(redis_url))
    yield found
    await found.aclose()


def unreachable_postgres() -> Postgres:
    return Postgres(f"postgresql://nobody@127.0.0.1:{free_port()}/none", timeout_s=0.2)


def unreachable_redis() -> RedisCache:
    return RedisCache(f"redis://127.0.0.1:{free_port()}/0")


async def test_a_slot_is_found_by_id_and_by_key_and_both_agree(store: FeatureStore) -> None:
    fetched = await store.fetch_slots([7, 10**9, "no such slot"], WAIT_S)
    slot = fetched.slots[7]
    assert fetched.unknown == {10**9, "no such slot"}
    assert fetched.missing == frozenset()
    by_key = await store.fetch_slots([slot.external_key], WAIT_S)
    assert by_key.slots[slot.external_key].slot_id == 7
    assert by_key.slots[slot.external_key].partner == slot.partner


async def test_what_postgres_answered_redis_answers_next(
    store: FeatureStore, redis_url: str
) -> None:
    first = await store.fetch_slots([3], WAIT_S)
    await asyncio.sleep(0.05)  # the write-back runs on the side
    without_postgres = FeatureStore(unreachable_postgres(), RedisCache(redis_url))
    second = await without_postgres.fetch_slots([3], WAIT_S)
    await without_postgres.aclose()
    assert second.slots[3].external_key == first.slots[3].external_key
    assert second.slots[3].pairs.brand_ids.tolist() == first.slots[3].pairs.brand_ids.tolist()


async def test_without_redis_postgres_answers_and_redis_is_named_missing(postgres_url: str) -> None:
    store = FeatureStore(Postgres(postgres_url), unreachable_redis())
    fetched = await store.fetch_slots([7], WAIT_S)
    rules = await store.fetch_rules(WAIT_S)
    await store.aclose()
    assert fetched.slots[7].slot_id == 7
    assert fetched.missing == {"redis"}
    assert rules.missing == {"redis"}
    assert len(rules.snapshot.rules.strategies) >= 5


async def test_with_both_away_it_says_so() -> None:
    store = FeatureStore(unreachable_postgres(), unreachable_redis())
    with pytest.raises(StoreUnavailable):
        await store.fetch_slots([7], WAIT_S)
    with pytest.raises(StoreUnavailable):
        await store.fetch_rules(WAIT_S)
    await store.aclose()


async def test_concurrent_misses_of_one_slot_make_one_query(postgres_url: str) -> None:
    queries = 0

    class CountingPostgres(Postgres):
        async def fetch(self, query: str, *arguments: object):  # type: ignore[no-untyped-def]
            nonlocal queries
            queries += 1
            return await super().fetch(query, *arguments)

    store = FeatureStore(CountingPostgres(postgres_url), unreachable_redis())
    await asyncio.gather(*(store.fetch_slots([5], WAIT_S) for _ in range(20)))
    await store.aclose()
    assert queries == 1


class HeldPostgres(Postgres):
    """Holds back the answer to its first query, which was read before."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.read, self.go_on = asyncio.Event(), asyncio.Event()

    async def fetch(self, query: str, *arguments: object):  # type: ignore[no-untyped-def]
        rows = await super().fetch(query, *arguments)
        if not self.read.is_set():
            self.read.set()
            await self.go_on.wait()
        return rows


@pytest.mark.parametrize("of", ["slots", "rules"])
async def test_a_query_begun_before_a_commit_does_not_answer_for_after_it(
    postgres_url: str, of: str
) -> None:
    postgres = HeldPostgres(postgres_url)
    store = FeatureStore(postgres, unreachable_redis())

    async def version(at_least: int) -> int:
        if of == "rules":
            return (await store.fetch_rules(PATIENT_S, at_least)).snapshot.version
        return (await store.fetch_slots([5], PATIENT_S, at_least)).slots[5].version

    before = asyncio.create_task(version(0))
    await postgres.read.wait()
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        row = connection.execute(ANNOUNCE_PSYCOPG, ("slot", 5)).fetchone()
    assert row is not None
    after = asyncio.create_task(version(row[0]))
    await asyncio.sleep(0.3)  # until it has joined the query under way
    postgres.go_on.set()
    assert await after == row[0]
    assert await before == row[0] - 1
    await store.aclose()


async def test_a_frozen_redis_holds_nobody_beyond_the_deadline(
    postgres_url: str, redis_server: RedisProcess
) -> None:
    store = FeatureStore(Postgres(postgres_url), RedisCache(redis_server.url))
    await store.fetch_slots([1], WAIT_S)
    redis_server.freeze()
    try:
        loop = asyncio.get_running_loop()
        started = loop.time()
        fetched = await store.fetch_slots([2], 2.0)
        assert fetched.slots[2].slot_id == 2
        assert "redis" in fetched.missing
        assert loop.time() - started < 2.0
    finally:
        redis_server.thaw()
        await store.aclose()


async def test_a_committed_change_reaches_the_watcher(
    store: FeatureStore, postgres_url: str
) -> None:
    changes = store.watch_changes()
    for _ in range(2):  # both feeds say `*` once they are connected
        assert (await asyncio.wait_for(anext(changes), 5)).entity == "*"
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute(ANNOUNCE_PSYCOPG, ("brand_strategy", 1))
    change = await asyncio.wait_for(anext(changes), 5)
    assert (change.entity, change.id) == ("brand_strategy", 1)


async def test_a_write_that_marked_nothing_in_redis_is_seen_by_those_who_heard_of_it(
    store: FeatureStore, postgres_url: str
) -> None:
    before = (await store.fetch_slots([6], WAIT_S)).slots[6]
    await store.fetch_rules(WAIT_S)
    await asyncio.sleep(0.05)  # the write-back runs on the side
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE slot SET floor = floor + 1 WHERE id = 6")
        connection.execute("UPDATE brand_strategy SET priority = priority + 1 WHERE id = 1")
        row = connection.execute(ANNOUNCE_PSYCOPG, ("*", 0)).fetchone()
        assert row is not None
    version = int(row[0])
    after = (await store.fetch_slots([6], WAIT_S, version)).slots[6]
    assert after.floor == before.floor + 1
    assert (await store.fetch_rules(WAIT_S, version)).snapshot.version >= version


async def test_what_cannot_be_had_newer_is_served_as_it_is(
    store: FeatureStore, redis_url: str
) -> None:
    known = (await store.fetch_slots([5], WAIT_S)).slots[5]
    await asyncio.sleep(0.05)
    without_postgres = FeatureStore(unreachable_postgres(), RedisCache(redis_url))
    fetched = await without_postgres.fetch_slots([5], WAIT_S, known.version + 1)
    await without_postgres.aclose()
    assert fetched.slots[5].external_key == known.external_key
    assert "postgres" in fetched.missing


@pytest.mark.parametrize(
    "written", [b'"slot_id":4}', b'"strategies":[{"odd":1}],"brands":1}', b"{"]
)
async def test_a_document_of_another_release_is_a_miss(
    store: FeatureStore, redis_url: str, written: bytes
) -> None:
    cache = RedisCache(redis_url)
    body = b'{"version":1,' + written
    await cache.forget([slot_key(4), RULES_KEY])
    await cache.write({key: Document(1, 300, body) for key in (slot_key(4), RULES_KEY)})
    fetched = await store.fetch_slots([4], WAIT_S)
    rules = await store.fetch_rules(WAIT_S)
    await cache.aclose()
    assert fetched.slots[4].slot_id == 4
    assert len(rules.snapshot.rules.strategies) >= 5
