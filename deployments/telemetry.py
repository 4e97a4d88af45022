"""The telemetry deployment: one replica that holds the metrics of all the others.

Scoring never waits for it. A new one starts at zero, which Prometheus takes for what it is.
"""

import asyncio
import time
from dataclasses import asdict
from typing import Any

import structlog

from bidding.errors import StoreUnavailable
from deployments import logs
from deployments.metrics import Key
from deployments.telemetry_collect import Collector
from deployments.telemetry_models import look_at_models
from deployments.telemetry_report import Report
from stores.model_registry import MlflowRegistry
from stores.settings import load_settings

LOOK_EVERY_S = 15.0
log = structlog.get_logger(__name__)


class Telemetry:
    """The replica."""

    async def __init__(self) -> None:  # type: ignore[misc]
        logs.configure("telemetry")
        self._collector = Collector(time.time)
        uri = load_settings().mlflow_tracking_uri
        self._registry = MlflowRegistry(uri) if uri else None
        self._looking = asyncio.create_task(self._look())

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

    async def _look(self) -> None:
        while self._registry is not None:
            try:
                self._collector.set_own(await look_at_models(self._registry))
            except StoreUnavailable as error:
                log.info("registry_unavailable", detail=error.detail)
            except Exception:  # the boundary of a task that must outlive its bugs
                log.exception("registry_look_failed")
            await asyncio.sleep(LOOK_EVERY_S)
