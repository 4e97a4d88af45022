"""Keys for commands: opened from the settings, closed after use."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bidding.errors import StoreUnavailable
from stores.keys import KeyStore
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.settings import Settings

_TIMEOUT_S = 5.0


@asynccontextmanager
async def open_keys(settings: Settings) -> AsyncIterator[KeyStore]:
    """The key store of this installation. Raises `StoreUnavailable` where none is set."""
    if settings.database_url is None or settings.redis_url is None:
        raise StoreUnavailable("no database is set: `adbid up` starts one, DATABASE_URL names one")
    postgres = Postgres(settings.database_url, timeout_s=_TIMEOUT_S)
    redis = RedisCache(settings.redis_url)
    publisher = Publisher(postgres, redis)
    keys = KeyStore(postgres, publisher)
    try:
        yield keys
    finally:
        await keys.aclose()
        await publisher.aclose()
        await redis.aclose()
        await postgres.aclose()
