"""Redis as a cache of JSON documents: one round trip to read many, no older one over a newer.

A document starts with `{"version":N`, the number of the last change it has seen; that is how
a slow reader's late write-back is told from what a writer put there since.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import redis.asyncio as redis
from redis.asyncio.client import PubSub
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

from bidding.errors import StoreUnavailable
from stores.breaker import Breaker

RULES_KEY = "rules:snapshot"
UNKNOWN_ID = b"0"
PING_TIMEOUT_S = 1.0
REDIS_ERRORS = (RedisError, OSError, TimeoutError)

# A shorter budget that runs out says more about the caller than about Redis.
_FAIR_BUDGET_S = 0.005

_READ_BY_EXTERNAL_KEY = """
local found = {}
for i, key in ipairs(KEYS) do
  local id = redis.call('GET', key)
  if not id then found[i] = false
  elseif id == '0' then found[i] = '0'
  else found[i] = redis.call('GET', 'slot:' .. id .. ':features') end
end
return found
"""
_WRITE_UNLESS_OLDER = """
local written = 0
for i, key in ipairs(KEYS) do
  local held = string.match(redis.call('GETRANGE', key, 0, 40), '^{"version":(%d+)')
  local version = tonumber(ARGV[3 * i - 2])
  if not held or version >= tonumber(held) then
    redis.call('SET', key, ARGV[3 * i], 'EX', ARGV[3 * i - 1])
    written = written + 1
  end
end
return written
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Document:
    """What is put under a key: its version, its life in seconds, its JSON."""

    version: int
    ttl_s: int
    body: bytes


def slot_key(slot_id: int) -> str:
    return f"slot:{slot_id}:features"


def external_slot_key(external_key: str) -> str:
    return f"slotkey:{external_key}"


def stale_mark(version: int) -> Document:
    """Stands where a document was until it is read anew; outlives any read under way."""
    return Document(version, 30, b'{"version":%d,"stale":true}' % version)


class RedisCache:
    """Every method raises `StoreUnavailable` when Redis does not answer within its budget."""

    def __init__(self, url: str, *, timeout_s: float = 0.25) -> None:
        # Redis' own retries would sleep past any deadline; RESP2 saves handshake commands.
        self._client: redis.Redis = redis.from_url(
            url,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
        )
        self._timeout_s = timeout_s
        self.breaker = Breaker("redis", self.ping)

    async def read_slots(
        self, slot_ids: Sequence[int], external_keys: Sequence[str], budget_s: float
    ) -> tuple[list[bytes | None], list[bytes | None]]:
        """The documents of both kinds of keys in one round trip, `None` where there is none.

        An external key that is known to name no slot answers `UNKNOWN_ID`.
        """
        pipeline = self._client.pipeline(transaction=False)
        pipeline.mget([slot_key(slot_id) for slot_id in slot_ids] or ["-"])
        if external_keys:
            names = [external_slot_key(key) for key in external_keys]
            pipeline.eval(_READ_BY_EXTERNAL_KEY, len(names), *names)
        answers = await self._within(budget_s, pipeline.execute)
        by_id = answers[0] if slot_ids else []
        return by_id, answers[1] if external_keys else []

    async def read(self, key: str, budget_s: float) -> bytes | None:
        body: Any = await self._within(budget_s, lambda: self._client.get(key))
        return bytes(body) if body is not None else None

    async def write(self, documents: Mapping[str, Document]) -> None:
        """Puts the documents that are not older than what is there."""
        arguments: list[bytes | int] = []
        for document in documents.values():
            arguments += [document.version, document.ttl_s, document.body]
        if documents:
            await self._eval(_WRITE_UNLESS_OLDER, list(documents), arguments)

    async def name_slots(self, ids: Mapping[str, int], ttl_s: int) -> None:
        """Remembers which slot an external key names; id 0 says that it names none."""
        pipeline = self._client.pipeline(transaction=False)
        for external_key, slot_id in ids.items():
            # "names none", from a slow reader, must not hide a slot that was made since
            pipeline.set(external_slot_key(external_key), slot_id, ex=ttl_s, nx=slot_id == 0)
        if ids:
            await self._within(self._timeout_s, pipeline.execute)

    async def forget(self, keys: Sequence[str]) -> None:
        if keys:
            await self._within(self._timeout_s, lambda: self._client.unlink(*keys))

    async def publish(self, channel: str, message: str) -> None:
        await self._within(self._timeout_s, lambda: self._client.publish(channel, message))

    def subscriber(self) -> PubSub:
        """A pub/sub connection of the caller's own."""
        return self._client.pubsub(ignore_subscribe_messages=True)

    async def ping(self) -> None:
        """Answers when Redis does, however busy this process is meanwhile."""
        try:
            async with asyncio.timeout(PING_TIMEOUT_S):
                await self._client.get("ping")
        except REDIS_ERRORS as error:
            raise _unavailable(error) from error

    async def aclose(self) -> None:
        await self.breaker.aclose()
        await self._client.aclose()

    async def _eval(self, script: str, keys: list[str], arguments: list[bytes | int]) -> None:
        call: Callable[[], Awaitable[Any]] = lambda: self._client.eval(  # noqa: E731
            script, len(keys), *keys, *arguments
        )
        await self._within(self._timeout_s, call)

    async def _within(self, budget_s: float, work: Callable[[], Awaitable[T]]) -> T:
        self.breaker.check()
        budget_s = min(budget_s, self._timeout_s)
        try:
            async with asyncio.timeout(budget_s):
                answer = await work()
        except REDIS_ERRORS as error:
            if not isinstance(error, TimeoutError) or budget_s >= _FAIR_BUDGET_S:
                self.breaker.failed()
            raise _unavailable(error) from error
        self.breaker.answered()
        return answer


def _unavailable(error: BaseException) -> StoreUnavailable:
    return StoreUnavailable(f"Redis does not answer: {type(error).__name__}")
