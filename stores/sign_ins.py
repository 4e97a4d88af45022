"""Failed sign-ins by address: `BURST` at once, then one a second, by all ingresses together.

A leaky bucket. In Redis its level is the key's own remaining life, so it empties by itself; where
Redis does not answer each ingress goes on by what it has counted alone.
"""

import time
from collections.abc import Callable
from typing import Any, Protocol

import redis.asyncio as redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisError

BURST = 10
_MOST_ADDRESSES = 10_000
_TIMEOUT_S = 0.25
_FAILED = """
local left = math.max(redis.call('PTTL', KEYS[1]), 0)
redis.call('SET', KEYS[1], '', 'PX', left + 1000)
"""


class SignIns(Protocol):
    """Who has failed too often."""

    async def blocked(self, address: str) -> bool:
        """Whether this address has to wait."""
        ...

    async def failed(self, address: str) -> None:
        """Count a wrong key."""
        ...


class MemorySignIns:
    """`SignIns` of one process."""

    def __init__(self, burst: int = BURST, clock: Callable[[], float] = time.monotonic) -> None:
        self._burst = burst
        self._clock = clock
        self._empty_at: dict[str, float] = {}

    async def blocked(self, address: str) -> bool:
        return self._empty_at.get(address, 0.0) - self._clock() > self._burst - 1

    async def failed(self, address: str) -> None:
        now = self._clock()
        if len(self._empty_at) > _MOST_ADDRESSES:
            self._empty_at = {name: at for name, at in self._empty_at.items() if at > now}
        self._empty_at[address] = max(self._empty_at.get(address, now), now) + 1.0


class RedisSignIns:
    """`SignIns` of every process with the same Redis."""

    def __init__(self, url: str, burst: int = BURST) -> None:
        self._own = MemorySignIns(burst)
        self._most_ms = 1000 * (burst - 1)
        self._client = redis.from_url(
            url,
            socket_timeout=_TIMEOUT_S,
            socket_connect_timeout=_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )

    async def blocked(self, address: str) -> bool:
        try:
            left_ms: Any = await self._client.pttl(_key(address))
        except (RedisError, OSError):
            return await self._own.blocked(address)
        return int(left_ms) > self._most_ms or await self._own.blocked(address)

    async def failed(self, address: str) -> None:
        await self._own.failed(address)
        try:
            await self._client.eval(_FAILED, 1, _key(address))
        except (RedisError, OSError):
            return

    async def aclose(self) -> None:
        await self._client.aclose()


def _key(address: str) -> str:
    return f"signin:{address}"
