"""A rollup in a process of its own, to be killed: `python -m tests.rollup_child URL REDIS_URL`."""

import asyncio
import sys

from bidding.errors import StoreUnavailable
from stores.event_settings import RollupSettings
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup


async def main(database_url: str, redis_url: str) -> None:
    """Counts in small batches, without a pause, until it is killed."""
    postgres = Postgres(database_url)
    publisher = Publisher(postgres, RedisCache(redis_url))
    rollup = PostgresRollup(postgres, publisher, RollupSettings(settle_s=0, batch_events=30))
    print("counting", flush=True)
    while True:
        try:
            await rollup.advance()
            await rollup.refresh()
        except StoreUnavailable:
            await asyncio.sleep(0.05)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
