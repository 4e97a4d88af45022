"""Tells replicas and caches of a write, in an order that lets nobody keep the old state.

Before the commit, the cached documents the write will change are marked stale with its version:
whoever reads them meanwhile asks PostgreSQL, and can't put an older answer back. After the
commit they are written anew and the change is published. PostgreSQL's own NOTIFY went out with
the commit, so a dead Redis delays nothing; what it could not be told is told when it is back.
"""

import asyncio
from dataclasses import dataclass

from bidding.errors import StoreUnavailable
from stores.changes import ANNOUNCE_ASYNCPG, REDIS_CHANNEL, Change
from stores.feature_queries import query_rules, query_slots
from stores.features import SLOT_TTL_S
from stores.postgres import Connection, Postgres
from stores.redis_cache import (
    RULES_KEY,
    Document,
    RedisCache,
    external_slot_key,
    slot_key,
    stale_mark,
)

RETRY_EVERY_S = 0.5
MARKS_A_CALL = 1000
# More slots than this are left to be read again by whoever needs them.
REFRESHED_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Touched:
    """The cached documents that a write changes."""

    rules: bool = False
    slot_ids: tuple[int, ...] = ()
    external_keys: tuple[str, ...] = ()


class Publisher:
    """Marks, refreshes and announces; never fails a write for a cache's sake."""

    def __init__(self, postgres: Postgres, redis: RedisCache) -> None:
        self._postgres = postgres
        self._redis = redis
        self._behind: set[asyncio.Task[None]] = set()

    async def announce(
        self, connection: Connection, entity: str, row_id: int, touched: Touched
    ) -> Change:
        """Last step inside a write's transaction: takes its version and marks what it changes."""
        version = await connection.fetchval(ANNOUNCE_ASYNCPG, entity, row_id)
        change = Change(entity, row_id, int(version))
        try:
            await self._mark(change, touched)
        except StoreUnavailable:
            self._later(change, touched)
        return change

    async def publish(self, change: Change, touched: Touched) -> None:
        """First step after the commit."""
        try:
            await self._refresh(touched)
            await self._redis.publish(REDIS_CHANNEL, change.encode())
        except StoreUnavailable:
            self._later(change, touched)

    async def aclose(self) -> None:
        for task in self._behind:
            task.cancel()

    async def _mark(self, change: Change, touched: Touched) -> None:
        mark = stale_mark(change.version)
        await self._redis.forget([external_slot_key(key) for key in touched.external_keys])
        if touched.rules:
            await self._redis.write({RULES_KEY: mark})
        for start in range(0, len(touched.slot_ids), MARKS_A_CALL):
            ids = touched.slot_ids[start : start + MARKS_A_CALL]
            await self._redis.write({slot_key(slot_id): mark for slot_id in ids})

    async def _refresh(self, touched: Touched) -> None:
        if touched.rules:
            version, body = await query_rules(self._postgres)
            await self._redis.write({RULES_KEY: Document(version, SLOT_TTL_S, body)})
        if 0 < len(touched.slot_ids) <= REFRESHED_AT_ONCE:
            rows = await query_slots(self._postgres, touched.slot_ids, ())
            documents = {
                slot_key(slot_id): Document(rows.version, SLOT_TTL_S, body)
                for slot_id, body in rows.documents.items()
            }
            await self._redis.write(documents)
            await self._redis.name_slots(rows.ids, SLOT_TTL_S)

    def _later(self, change: Change, touched: Touched) -> None:
        task = asyncio.create_task(self._catch_up(change, touched))
        self._behind.add(task)
        task.add_done_callback(self._behind.discard)

    async def _catch_up(self, change: Change, touched: Touched) -> None:
        """Until Redis is told, or whatever it held back then has expired by itself."""
        for _ in range(round(SLOT_TTL_S / RETRY_EVERY_S)):
            await asyncio.sleep(RETRY_EVERY_S)
            try:
                await self._mark(change, touched)
                await self._redis.publish(REDIS_CHANNEL, change.encode())
            except StoreUnavailable:
                continue
            return
