"""The telemetry deployment: one replica that holds the metrics of all the others.

Scoring never waits for it. A new one starts at zero, which Prometheus takes for what it is.
"""

import asyncio
import time
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog

from bidding.errors import StoreUnavailable
from deployments import logs
from deployments.door_refusals import DoorRefusals
from deployments.metrics import Key, key
from deployments.telemetry_collect import Collector
from deployments.telemetry_models import look_at_models, look_at_outcomes
from deployments.telemetry_report import Report
from stores.live_quality import PostgresLiveQuality, Span
from stores.model_registry import MlflowRegistry
from stores.nightly_runs import last_nightly_success_s
from stores.postgres import Postgres
from stores.promotion_settings import load_promotion_settings
from stores.settings import load_settings

LOOK_EVERY_S = 15.0
LOOK_AT_OUTCOMES_EVERY_S = 120.0
ASK_DOORS_EVERY_S = 2.0
OUTCOMES_TIMEOUT_S = 10.0
log = structlog.get_logger(__name__)


class Telemetry:
    """The replica."""

    async def __init__(self) -> None:  # type: ignore[misc]
        logs.configure("telemetry")
        self._collector = Collector(time.time)
        settings = load_settings()
        uri, database = settings.mlflow_tracking_uri, settings.database_url
        self._registry = MlflowRegistry(uri) if uri else None
        self._postgres = (
            Postgres(database, max_size=1, timeout_s=OUTCOMES_TIMEOUT_S) if database else None
        )
        self._rules = load_promotion_settings()
        self._models: dict[Key, float] = {}
        self._outcomes: dict[Key, float] = {}
        self._outcomes_at = -LOOK_AT_OUTCOMES_EVERY_S
        self._night: dict[Key, float] = {}
        self._looking = asyncio.create_task(self._look_for_ever())
        self._doors = DoorRefusals(settings.doors.split())
        self._watching = asyncio.create_task(self._watch_doors())

    async def take(self, report: Report) -> None:
        """Add what a replica counted."""
        self._collector.take(report)

    async def text(self) -> bytes:
        """What `/metrics` answers."""
        return self._collector.text()

    async def overview(self, seconds: int = 10) -> dict[str, Any]:
        """`Overview` of the last `seconds` (at most 900)."""
        return asdict(self._collector.overview(seconds))

    async def series(self, seconds: int, step_s: int) -> list[dict[str, Any]]:
        """`Overview`s of the last `seconds` (at most 900) in steps, oldest first."""
        return [asdict(each) for each in self._collector.series(seconds, step_s)]

    async def gauges(self) -> dict[Key, float]:
        """Every gauge's value now, by metric and label values."""
        return self._collector.gauges()

    async def _look_for_ever(self) -> None:
        """Each look by itself: what one store does not tell must not hide what another does."""
        while True:
            for look in (self._look_at_night, self._look_at_models, self._look_at_outcomes):
                try:
                    await look()
                except StoreUnavailable as error:
                    log.info("not_looked_at", look=look.__name__, detail=error.detail)
                except Exception:  # the boundary of a task that must outlive its bugs
                    log.exception("look_failed", look=look.__name__)
                self._collector.set_own(self._models | self._outcomes | self._night)
            await asyncio.sleep(LOOK_EVERY_S)

    async def _look_at_night(self) -> None:
        if self._postgres is None:
            return
        night = await last_nightly_success_s(self._postgres)
        if night is not None:
            self._night = {key("adbid_nightly_success_timestamp_seconds"): night}

    async def _look_at_models(self) -> None:
        if self._registry is not None:
            self._models = await look_at_models(self._registry)

    async def _watch_doors(self) -> None:
        refusals = key("adbid_door_refusals_total")
        while self._doors.urls:
            self._collector.count(refusals, await self._doors.gained())
            await asyncio.sleep(ASK_DOORS_EVERY_S)

    async def _look_at_outcomes(self) -> None:
        """More seldom: it reads many outcomes."""
        now = time.monotonic()
        if self._registry is None or self._postgres is None:
            return
        if now - self._outcomes_at < LOOK_AT_OUTCOMES_EVERY_S:
            return
        self._outcomes_at = now
        until = datetime.now(UTC) - timedelta(seconds=self._rules.watch.settle_s)
        since = until - timedelta(days=self._rules.compare_days)
        span = Span(since, until, self._rules.watch.outcomes)
        quality = PostgresLiveQuality(self._postgres)
        self._outcomes = await look_at_outcomes(self._registry, quality, span)
