"""The whole HTTP side on a real port, over real stores, with no model and no Ray."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from numpy import float64
from numpy.typing import NDArray

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import api
from deployments.challenger import Said
from deployments.door import Door
from deployments.estimates import Estimator
from deployments.learning import open_learning
from deployments.models import open_models
from deployments.ops import open_ops
from deployments.rules_view import RulesFeed
from deployments.scorer import NO_PREDICTION, Prediction, Scorer
from deployments.slot_source import SlotSource
from stores.feature_types import RulesFetched, SlotKey, SlotsFetched
from stores.settings import Settings
from tests.servers import free_port

DEADLINE_S = 2.0
START_TIMEOUT_S = 20.0
NO_MLFLOW = "http://127.0.0.1:9"


class LiveService:
    """One ingress without its cluster: the features deployment's part is done in process."""

    def __init__(self, settings: Settings) -> None:
        self._ops = open_ops(settings)
        self._models = open_models(settings, _no_replicas, _no_challengers)
        self._rules = RulesFeed(self._fetch_rules)
        self._slots = SlotSource(self._fetch_slots)
        self._learning = open_learning(settings, self._rules, self._slots)
        self._scorer = Scorer(
            self._rules,
            self._slots,
            self._predict,
            self._explain,
            Estimator.from_configs(),
            record=self._learning.log.record,
        )

    def door(self) -> Door:
        access = self._ops.access
        routers = [*self._ops.routers(), *self._learning.routers(access, self._readiness)]
        routers.append(self._models.router(access))
        app = api.build(self._scorer, self._readiness, access, routers, lifespan=self._lifespan)
        return Door(app, self._scorer, access)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self._rules.refresh()
        following = [
            asyncio.create_task(self._rules.follow()),
            asyncio.create_task(self._follow_changes()),
        ]
        self._learning.start()
        yield
        for task in following:
            task.cancel()
        await asyncio.gather(*following, return_exceptions=True)
        await self._learning.aclose()
        await self._models.aclose()
        await self._ops.aclose()

    async def _follow_changes(self) -> None:
        async for change in self._ops.features.watch_changes():
            self._rules.changed()
            self._ops.heard(change)
            self._slots.all_changed()

    async def _fetch_rules(self) -> RulesFetched:
        return await self._ops.features.fetch_rules(DEADLINE_S)

    async def _fetch_slots(self, keys: list[SlotKey], deadline: float) -> SlotsFetched:
        return await self._ops.features.fetch_slots(keys, deadline)

    async def _predict(self, batch: ScoreBatch) -> Prediction:
        return NO_PREDICTION

    async def _explain(self, batch: ScoreBatch) -> dict[str, dict[str, NDArray[float64]]]:
        raise StoreUnavailable("there is no model here")

    def _readiness(self) -> dict[str, Any]:
        return {"ready": True, "degraded": ["models"], "models": {"ctr": None, "cvr": None}}


async def _no_replicas() -> list[dict[str, Any]]:
    return []


async def _no_challengers(batch: ScoreBatch, champion: Said) -> Said | None:
    return {}


@contextmanager
def live_service(postgres_url: str, redis_url: str, mlflow: str = NO_MLFLOW) -> Iterator[str]:
    """The URL of a running service."""
    port = free_port()
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url, MLFLOW_TRACKING_URI=mlflow)
    door = LiveService(settings).door()
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
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(10)
