"""The overseer deployment: one replica that keeps the models' history and takes bad ones back.

All state is in MLflow and PostgreSQL: one that dies, or two that overlap, do no harm.
"""

import asyncio
from datetime import UTC, datetime, timedelta

import structlog
from ray.serve.handle import DeploymentHandle

from bidding.errors import StoreUnavailable
from deployments import logs
from deployments.model_calls import ModelCalls
from deployments.oversight import Oversight, step
from stores.live_quality import PostgresLiveQuality
from stores.model_changes import PostgresModelChanges
from stores.model_registry import MlflowRegistry
from stores.postgres import Postgres
from stores.promotion import MODELS, Promotions
from stores.promotion_settings import load_promotion_settings
from stores.settings import load_settings

TIMEOUT_S = 10.0
FORGET_EVERY_S = 3600.0
log = structlog.get_logger(__name__)


class Overseer:
    """The replica."""

    async def __init__(self, scoring: DeploymentHandle) -> None:  # type: ignore[misc]
        logs.configure("overseer")
        settings = load_settings()
        if settings.database_url is None or settings.mlflow_tracking_uri is None:
            raise StoreUnavailable("DATABASE_URL or MLFLOW_TRACKING_URI is not set")
        rules = load_promotion_settings()
        postgres = Postgres(settings.database_url, max_size=2, timeout_s=TIMEOUT_S)
        self._quality = PostgresLiveQuality(postgres)
        self._oversight = Oversight(
            Promotions(
                MlflowRegistry(settings.mlflow_tracking_uri), PostgresModelChanges(postgres)
            ),
            self._quality,
            ModelCalls(scoring).reports,
            rules.watch,
            lambda: datetime.now(UTC),
        )
        self._tasks = [
            asyncio.create_task(self._watch(rules.watch.every_s)),
            asyncio.create_task(self._forget(timedelta(days=rules.shadow.keep_days))),
        ]

    async def check_health(self) -> None:
        """Raises when a task has ended, so that Serve starts the replica anew."""
        for task in self._tasks:
            if task.done():
                raise RuntimeError("a task of the overseer has ended")

    async def _watch(self, every_s: float) -> None:
        while True:
            for name in MODELS:
                try:
                    await step(name, self._oversight)
                except Exception:  # the boundary of a task that must outlive its bugs
                    log.exception("overseer_failed")
            await asyncio.sleep(every_s)

    async def _forget(self, kept: timedelta) -> None:
        while True:
            try:
                await self._quality.forget_shadow(datetime.now(UTC) - kept)
            except StoreUnavailable as error:
                log.info("shadow_not_forgotten", detail=error.detail)
            await asyncio.sleep(FORGET_EVERY_S)
