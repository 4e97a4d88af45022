"""The feed of changes: PostgreSQL's NOTIFY and a Redis channel, whichever delivers first.

Each listener also asks its store for a sign of life every second. A store that gives none is
left alone from then on (its breaker opens) before any request has had to find out.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

import asyncpg
from redis.asyncio.client import PubSub

from bidding.errors import StoreUnavailable
from stores.changes import EVERYTHING, POSTGRES_CHANNEL, REDIS_CHANNEL, Change, decode_change
from stores.postgres import CONNECTION_ERRORS, Postgres
from stores.redis_cache import REDIS_ERRORS, RedisCache

RECONNECT_S = 0.5
HEARTBEAT_S = 1.0
_REMEMBERED = 10_000
_VERSION = "SELECT version FROM engine_state"
_LIFT = "UPDATE engine_state SET version = $1 + 1 WHERE version < $1 RETURNING version"

Queue = asyncio.Queue[Change]


async def watch(postgres: Postgres, redis: RedisCache) -> AsyncIterator[Change]:
    """Every change once. After a lost connection, `*` says that anything may have changed."""
    queue: Queue = asyncio.Queue()
    listeners = [
        asyncio.create_task(_follow_postgres(postgres, queue)),
        asyncio.create_task(_follow_redis(redis, queue)),
    ]
    seen: dict[Change, None] = {}
    try:
        while True:
            change = await queue.get()
            if change in seen:
                continue
            if change.version and change.entity != EVERYTHING:  # a lost connection repeats it
                seen[change] = None
            if len(seen) > _REMEMBERED:
                del seen[next(iter(seen))]
            yield change
    finally:
        for listener in listeners:
            listener.cancel()
        await asyncio.gather(*listeners, return_exceptions=True)


@dataclass(slots=True)
class _Newest:
    """The highest version heard of the database, whatever connection it came by."""

    version: int = 0


async def _follow_postgres(postgres: Postgres, queue: Queue) -> None:
    newest = _Newest()
    while True:
        try:
            connection = await postgres.connect()
            try:
                await _hear_postgres(connection, queue, newest)
            finally:
                connection.terminate()
        except (StoreUnavailable, *CONNECTION_ERRORS, asyncpg.PostgresError):
            postgres.breaker.open()  # also while a restore has taken the tables away
        await asyncio.sleep(RECONNECT_S)


async def _hear_postgres(
    connection: "asyncpg.Connection[asyncpg.Record]", queue: Queue, newest: _Newest
) -> None:
    """Listens until the connection fails; `*` where a version passed without a message."""

    def hear(_connection: object, _pid: int, _channel: str, payload: object) -> None:
        change = _put(queue, str(payload))
        newest.version = max(newest.version, change.version if change else 0)

    await connection.add_listener(POSTGRES_CHANNEL, hear)
    reached = await _version(connection, newest.version)
    newest.version = max(newest.version, reached)
    queue.put_nowait(Change(EVERYTHING, 0, reached))
    while True:
        await asyncio.sleep(HEARTBEAT_S)
        if reached > newest.version:  # seen an instant before its message: it got a beat
            newest.version = reached
            queue.put_nowait(Change(EVERYTHING, 0, reached))
        reached = await _version(connection, newest.version)


async def _version(connection: "asyncpg.Connection[asyncpg.Record]", newest: int) -> int:
    """The version reached; a database behind what was heard of it is lifted above that.

    It was restored from a backup: below the old numbers nobody would take its rows for new.
    """
    async with asyncio.timeout(HEARTBEAT_S):
        reached = int(await connection.fetchval(_VERSION) or 0)
        if reached < newest:
            reached = int(await connection.fetchval(_LIFT, newest) or reached)
        return reached


async def _follow_redis(redis: RedisCache, queue: Queue) -> None:
    while True:
        subscriber = redis.subscriber()
        try:
            await _hear_redis(redis, subscriber, queue)
        except (StoreUnavailable, *REDIS_ERRORS):
            redis.breaker.open()
        finally:
            with contextlib.suppress(*REDIS_ERRORS):
                await subscriber.aclose()  # type: ignore[no-untyped-call]
        await asyncio.sleep(RECONNECT_S)


async def _hear_redis(redis: RedisCache, subscriber: PubSub, queue: Queue) -> None:
    """Listens until the connection fails."""
    async with asyncio.timeout(HEARTBEAT_S):
        await subscriber.subscribe(REDIS_CHANNEL)
    queue.put_nowait(Change(EVERYTHING, 0, 0))
    while True:
        message = await subscriber.get_message(timeout=HEARTBEAT_S)
        if message is None:
            await redis.ping()
        elif message["type"] == "message":
            _put(queue, message["data"])


def _put(queue: Queue, payload: str | bytes) -> Change | None:
    change = decode_change(payload)
    if change is not None:
        queue.put_nowait(change)
    return change
