"""The whole HTTP side on a real port, over real stores, with no model and no Ray."""

import contextlib
import gc
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI
from prometheus_client import generate_latest

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import api
from deployments.challenger import Said
from deployments.door import Door
from deployments.dry_run import DryRunner
from deployments.estimates import Estimator
from deployments.learning import open_learning
from deployments.model_view import Reports
from deployments.models import open_models
from deployments.ops import open_ops
from deployments.reading import Reading
from deployments.routes import prometheus, training
from deployments.scorer import NO_PREDICTION, Explained, Prediction, Scorer
from stores.auction_settings import load_auction_rules
from stores.busiest import fetch_busiest
from stores.settings import Settings
from stores.training_runs import TrainingRuns
from tests.servers import free_port

START_TIMEOUT_S = 20.0
NO_MLFLOW = "http://127.0.0.1:9"


class LiveService:
    """One ingress without its cluster: the features deployment's part is done in process."""

    def __init__(self, settings: Settings, reports: Reports) -> None:
        self._ops = open_ops(settings)
        self._reports = reports
        self._models = open_models(settings, reports, _no_challengers)
        self._reading = Reading(
            self._ops.features,
            self._ops.features.fetch_rules,
            self._ops.features.fetch_slots,
            kept=settings.last_known,
            auction=load_auction_rules(),
            heard=self._ops.heard,
        )
        rules, slots = self._reading.rules, self._reading.slots
        self._learning = open_learning(settings, rules, slots)
        self._scorer = Scorer(
            rules,
            slots,
            self._predict,
            self._explain,
            Estimator.from_configs(),
            away=self._reading.away,
            record=self._learning.log.record,
        )

    def door(self) -> Door:
        access = self._ops.access
        routers = [
            *self._ops.routers(),
            *self._learning.routers(access, self._readiness, self._reports),
        ]
        dry_runner = DryRunner(
            self._reading.rules,
            self._reading.slots,
            Estimator.from_configs(),
            self._score_by,
            partial(fetch_busiest, self._ops.postgres),
        )
        routers += [
            self._models.router(access),
            prometheus.build(_metrics, access),
            training.build(TrainingRuns(self._ops.postgres), dry_runner, access),
        ]
        app = api.build(self._scorer, self._readiness, access, routers, lifespan=self._lifespan)
        return Door(app, self._scorer, access)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self._reading.start()
        self._learning.start()
        yield
        await self._reading.aclose()
        await self._learning.aclose()
        await self._models.aclose()
        await self._ops.aclose()

    async def _predict(self, batch: ScoreBatch) -> Prediction:
        return NO_PREDICTION

    async def _score_by(self, name: str, version: str | None, batch: ScoreBatch) -> Prediction:
        raise StoreUnavailable("there is no model here")

    async def _explain(self, batch: ScoreBatch) -> Explained:
        raise StoreUnavailable("there is no model here")

    def _readiness(self) -> dict[str, Any]:
        return {"ready": True, "degraded": ["models"], "models": {"ctr": None, "cvr": None}}


async def _metrics() -> bytes:
    return generate_latest()


async def _no_replicas() -> list[dict[str, Any]]:
    return []


async def _no_challengers(batch: ScoreBatch, champion: Said) -> Said | None:
    return {}


@contextmanager
def live_service(
    postgres_url: str,
    redis_url: str,
    mlflow: str = NO_MLFLOW,
    reports: Reports = _no_replicas,
    home: Path | None = None,
) -> Iterator[str]:
    """The URL of a running service; `reports` is what its scoring replicas say of themselves,
    `home`, where it is given, outlives it."""
    with tempfile.TemporaryDirectory(prefix="adbid-") as folder:
        settings = Settings(
            home=home or Path(folder),
            DATABASE_URL=postgres_url,
            REDIS_URL=redis_url,
            MLFLOW_TRACKING_URI=mlflow,
        )
        with _running(settings, reports) as url:
            yield url


@contextmanager
def _running(settings: Settings, reports: Reports) -> Iterator[str]:
    port = free_port()
    door = LiveService(settings, reports).door()
    config = uvicorn.Config(door, host="127.0.0.1", port=port, log_level="warning", lifespan="on")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    started = threading.Event()
    for _ in range(int(START_TIMEOUT_S / 0.05)):
        if server.started:
            break
        started.wait(0.05)
    try:
        assert server.started
        gc.freeze()  # as an ingress does: to look through the imports alone takes 0.15 s
        yield f"http://127.0.0.1:{port}"
    finally:
        gc.unfreeze()
        server.should_exit = True
        thread.join(10)
