"""Our own code without Ray: the same door, rules, stores and models, all in each worker."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import FastAPI

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import api, collector
from deployments.door import Door
from deployments.estimates import Estimator
from deployments.learning import open_learning
from deployments.metrics_score import ScoreMeter
from deployments.ops import open_ops
from deployments.rules_view import RulesFeed
from deployments.score_answer import Versions
from deployments.scorer import Explained, Prediction, Scored, Scorer
from deployments.slot_source import SlotSource
from stores import model_files
from stores.feature_types import RulesFetched, SlotKey, SlotsFetched
from stores.model_registry import CTR_MODEL, CVR_MODEL
from stores.settings import load_settings

DEADLINE_S = 2.0


class InProcess:
    """One worker: ingress, features and scoring without a call between them."""

    def __init__(self) -> None:
        settings = load_settings()
        folder = Path(os.environ["OUR_MODELS"])
        self._ctr = model_files.load(folder / CTR_MODEL, name=CTR_MODEL, version="1")
        self._cvr = model_files.load(folder / CVR_MODEL, name=CVR_MODEL, version="1")
        self._ops = open_ops(settings)
        self._rules = RulesFeed(self._fetch_rules)
        self._slots = SlotSource(self._fetch_slots)
        self._learning = open_learning(settings, self._rules, self._slots)
        self._meter = ScoreMeter()
        self._scorer = Scorer(
            self._rules,
            self._slots,
            self._predict,
            self._explain,
            Estimator.from_configs(),
            record=self._record,
        )

    def door(self) -> Door:
        """The ASGI application."""
        app = api.build(
            self._scorer, self._readiness, self._ops.access, [], lifespan=self._lifespan
        )
        return Door(app, self._scorer, self._ops.access, self._meter.statuses)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        await self._rules.refresh()
        following = asyncio.create_task(self._rules.follow())
        self._learning.start()
        collector.calm()
        yield
        following.cancel()
        await self._learning.aclose()
        await self._ops.aclose()

    def _record(self, scored: Scored) -> None:
        self._meter.record(scored)
        self._learning.log.record(scored)

    async def _fetch_rules(self) -> RulesFetched:
        return await self._ops.features.fetch_rules(DEADLINE_S)

    async def _fetch_slots(
        self, keys: list[SlotKey], deadline: float, at_least: int
    ) -> SlotsFetched:
        return await self._ops.features.fetch_slots(keys, deadline, at_least)

    async def _predict(self, batch: ScoreBatch) -> Prediction:
        ctr = self._ctr.predict(batch, batch.ctr)
        cvr = self._cvr.predict(batch, batch.cvr)
        return Prediction(ctr, cvr, Versions("1", "1"))

    async def _explain(self, batch: ScoreBatch) -> Explained:
        raise StoreUnavailable("not here")

    def _readiness(self) -> dict[str, Any]:
        return {"ready": True, "degraded": [], "models": {"ctr": "1", "cvr": "1"}}


def app() -> Door:
    """The factory that uvicorn calls."""
    return InProcess().door()
