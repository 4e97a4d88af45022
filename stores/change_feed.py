"""The feed of changes: PostgreSQL's NOTIFY and a Redis channel, whichever delivers first."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from bidding.errors import StoreUnavailable
from stores.changes import EVERYTHING, POSTGRES_CHANNEL, REDIS_CHANNEL, Change, decode_change
from stores.postgres import Postgres
from stores.redis_cache import REDIS_ERRORS, RedisCache

RECONNECT_S = 0.5
_REMEMBERED = 10_000


async def watch(postgres: Postgres, redis: RedisCache) -> AsyncIterator[Change]:
    """Every change once. After a lost connection, `*` says that anything may have changed."""
    queue: asyncio.Queue[Change] = asyncio.Queue()
    listeners = [
        asyncio.create_task(_listen_postgres(postgres, queue)),
        asyncio.create_task(_listen_redis(redis, queue)),
    ]
    seen: dict[Change, None] = {}
    try:
        while True:
            change = await queue.get()
            if change.entity != EVERYTHING and change in seen:
                continue
            seen[change] = None
            if len(seen) > _REMEMBERED:
                del seen[next(iter(seen))]
            yield change
    finally:
        for listener in listeners:
            listener.cancel()


async def _listen_postgres(postgres: Postgres, queue: asyncio.Queue[Change]) -> None:
    while True:
        with contextlib.suppress(StoreUnavailable, OSError):
            connection = await postgres.connect()
            closed = asyncio.Event()
            connection.add_termination_listener(lambda _, closed=closed: closed.set())
            await connection.add_listener(
                POSTGRES_CHANNEL, lambda _c, _p, _n, payload: _put(queue, str(payload))
            )
            queue.put_nowait(Change(EVERYTHING, 0, 0))
            await closed.wait()
        await asyncio.sleep(RECONNECT_S)


async def _listen_redis(redis: RedisCache, queue: asyncio.Queue[Change]) -> None:
    while True:
        with contextlib.suppress(*REDIS_ERRORS):
            subscriber = redis.subscriber()
            try:
                await subscriber.subscribe(REDIS_CHANNEL)
                queue.put_nowait(Change(EVERYTHING, 0, 0))
                async for message in subscriber.listen():
                    if message["type"] == "message":
                        _put(queue, message["data"])
            finally:
                with contextlib.suppress(*REDIS_ERRORS):
                    await subscriber.aclose()  # type: ignore[no-untyped-call]
        await asyncio.sleep(RECONNECT_S)


def _put(queue: asyncio.Queue[Change], payload: str | bytes) -> None:
    change = decode_change(payload)
    if change is not None:
        queue.put_nowait(change)
