"""The rollup deployment: one replica that counts events, tells caches, and keeps partitions.

All state is in PostgreSQL: a replica that dies, or two that overlap, lose and repeat nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import psycopg
import structlog
from ray.serve.handle import DeploymentHandle

from bidding.errors import StoreUnavailable
from deployments import collector, logs
from deployments.metrics import Key, key
from deployments.telemetry_report import Reporter
from stores.event_settings import EventSettings, RollupSettings, load_event_settings
from stores.event_types import Rollup as RollupStore
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.retention import keep_partitions
from stores.rollup import PostgresRollup
from stores.settings import load_settings

TRANSACTION_TIMEOUT_S = 60.0
KEEP_PARTITIONS_S = 3600.0
RETRY_S = 1.0
# Above what one batch makes, in objects that the collector tracks: looking for cycles in each took
# a third of the time of counting it.
COLLECT_AFTER = 250_000
log = structlog.get_logger(__name__)


class RollupLoop:
    """Calls the store again and again. `counted` and `failed` count events and attempts."""

    def __init__(
        self, store: RollupStore, settings: RollupSettings, *, retry_s: float = RETRY_S
    ) -> None:
        self._store = store
        self._settings = settings
        self._retry_s = retry_s
        self.counted = 0
        self.failed = 0

    async def count(self) -> None:
        """Count for ever: at once after a full batch, else every `every_s`."""
        await self._repeat(self._advance, self._settings.every_s)

    async def refresh(self) -> None:
        """Tell caches and replicas for ever."""
        await self._repeat(self._tell, self._settings.refresh_s)

    async def _advance(self) -> bool:
        counted = await self._store.advance()
        self.counted += counted
        return counted >= self._settings.batch_events

    async def _tell(self) -> bool:
        await self._store.refresh()
        return False

    async def _repeat(self, step: Callable[[], Awaitable[bool]], every_s: float) -> None:
        """`step` says whether there is more to do at once."""
        while True:
            pause = every_s
            try:
                if await step():
                    pause = 0.0
            except StoreUnavailable as error:
                self.failed += 1
                log.warning("rollup_waits", reason=error.detail)
                pause = self._retry_s
            except Exception:  # the boundary of a task that must outlive its bugs
                self.failed += 1
                log.exception("rollup_failed")
                pause = self._retry_s
            await asyncio.sleep(pause)


class Rollup:
    """The replica."""

    async def __init__(self, telemetry: DeploymentHandle) -> None:  # type: ignore[misc]
        logs.configure("rollup")
        settings = load_settings()
        if settings.database_url is None or settings.redis_url is None:
            raise StoreUnavailable("DATABASE_URL and REDIS_URL are not set; `adbid up` sets them")
        limits = load_event_settings()
        postgres = Postgres(
            settings.database_url,
            max_size=2,
            timeout_s=5.0,
            transaction_timeout_s=TRANSACTION_TIMEOUT_S,
        )
        publisher = Publisher(postgres, RedisCache(settings.redis_url))
        store = PostgresRollup(postgres, publisher, limits.rollup)
        self._store = store
        self._loop = RollupLoop(store, limits.rollup)
        self._tasks = [
            asyncio.create_task(self._loop.count()),
            asyncio.create_task(self._loop.refresh()),
            asyncio.create_task(keep_for_ever(settings.database_url, limits)),
        ]
        send = telemetry.options(_by_reference=False).take.remote
        self._reporter = Reporter("Rollup", [self._read_metrics], send)
        self._reporter.start()
        collector.calm(COLLECT_AFTER)

    async def report(self) -> dict[str, Any]:
        """How far it is: events counted and waiting, attempts that failed."""
        return {
            "counted": self._loop.counted,
            "failed": self._loop.failed,
            "backlog": await self._store.backlog(),
        }

    def _read_metrics(self) -> dict[Key, float]:
        return {
            key("adbid_events_counted_total"): self._loop.counted,
            key("adbid_rollup_failures_total"): self._loop.failed,
        }

    async def check_health(self) -> None:
        """Raises when a task has ended, so that Serve starts the replica anew."""
        for task in self._tasks:
            if task.done():
                raise RuntimeError("a task of the rollup has ended")


async def keep_for_ever(database_url: str, limits: EventSettings) -> None:
    """Make and drop partitions every hour."""
    while True:
        try:
            dropped = await asyncio.to_thread(
                keep_partitions, database_url, limits, datetime.now(UTC)
            )
            if dropped:
                log.info("partitions_dropped", names=dropped)
        except psycopg.Error as error:
            log.warning("partitions_not_kept", reason=type(error).__name__)
        await asyncio.sleep(KEEP_PARTITIONS_S)
