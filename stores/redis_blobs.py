"""Binary blobs in Redis: the last good model, for replicas that start with MLflow down."""

from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from bidding.errors import StoreUnavailable

LARGEST_BLOB = 64 * 1024 * 1024


class RedisBlobs:
    """`stores.model_fetch.Blobs` on Redis; every call may raise `StoreUnavailable`."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self._client = redis.from_url(
            url, socket_timeout=timeout_s, socket_connect_timeout=timeout_s
        )

    async def get(self, key: str) -> bytes | None:
        """The blob, `None` where there is none."""
        try:
            blob: Any = await self._client.get(key)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis does not answer: {type(error).__name__}") from error
        return None if blob is None else bytes(blob)

    async def put(self, key: str, blob: bytes) -> None:
        """Keep the blob, without expiry. Larger than 64 MiB is not kept."""
        if len(blob) > LARGEST_BLOB:
            raise StoreUnavailable(f"{key} has {len(blob)} bytes, too large for Redis here")
        try:
            await self._client.set(key, blob)
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis does not answer: {type(error).__name__}") from error

    async def holds(self, key: str) -> bool:
        """Whether there is one."""
        try:
            return bool(await self._client.exists(key))
        except (RedisError, OSError) as error:
            raise StoreUnavailable(f"Redis does not answer: {type(error).__name__}") from error


class MemoryBlobs:
    """The in-memory twin of `RedisBlobs`."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}
        self.down = False

    async def get(self, key: str) -> bytes | None:
        self._check()
        return self.kept.get(key)

    async def put(self, key: str, blob: bytes) -> None:
        self._check()
        self.kept[key] = blob

    async def holds(self, key: str) -> bool:
        self._check()
        return key in self.kept

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("Redis does not answer: down")
