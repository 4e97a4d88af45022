"""The ingress: holds the near cache and the rules, gathers calls, answers HTTP."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime
from typing import Any

import structlog
from fastapi import FastAPI
from numpy import float64
from numpy.typing import NDArray
from ray import serve
from ray.exceptions import RayError
from ray.serve.exceptions import RayServeException
from ray.serve.handle import DeploymentHandle

from bidding.batch import ScoreBatch, join
from bidding.errors import StoreUnavailable
from deployments import api, logs
from deployments.door import Door
from deployments.estimates import Estimator
from deployments.features import open_feature_store
from deployments.gather import Gather
from deployments.learning import open_learning
from deployments.metrics_ingress import IngressParts
from deployments.metrics_score import ScoreMeter
from deployments.ops import open_ops
from deployments.routes import prometheus
from deployments.rules_view import RulesFeed
from deployments.score_answer import Versions
from deployments.score_request import decode, to_bids
from deployments.scorer import NO_PREDICTION, Prediction, Scored, Scorer
from deployments.slot_source import SlotSource, default_slot
from deployments.telemetry_report import Reporter
from stores.changes import EVERYTHING
from stores.feature_types import RulesFetched, SlotKey, SlotsFetched
from stores.settings import load_settings

RULES_DEADLINE_S = 2.0
METRICS_DEADLINE_S = 3.0
# Rows of one call to a scoring replica: about 10 ms of XGBoost, so that no call blocks it long.
LARGEST_CALL = 3_000
# What a call to another replica may raise: it died, was overloaded, or the cluster hiccuped.
REMOTE_ERRORS = (RayError, RayServeException, ConnectionError)
SLOT_ENTITIES = {"slot", "partner", "performance"}
_WARM_UP = b'{"slot_id":1,"bids":[{"bid_id":"-","brand_id":1,"pricing_model":"CPC","amount":1}]}'
log = structlog.get_logger(__name__)


@serve.ingress()
class Ingress:
    """HTTP in, HTTP out."""

    async def __init__(  # type: ignore[misc]
        self,
        features: DeploymentHandle,
        scoring: DeploymentHandle,
        rollup: DeploymentHandle,
        telemetry: DeploymentHandle,
    ) -> None:
        logs.configure("ingress")
        settings = load_settings()
        self._features = features.options(_by_reference=False)
        self._scoring = scoring.options(_by_reference=False)
        self._telemetry = telemetry.options(_by_reference=False)
        self._watched = open_feature_store(settings)
        self._everything_changed_at = 0
        self._rules = RulesFeed(self._fetch_rules)
        self._slots = SlotSource(self._fetch_slots)
        self._gather: Gather[ScoreBatch, Prediction] = Gather(self._score, max_weight=LARGEST_CALL)
        self._estimator = Estimator.from_configs()
        self._learning = open_learning(settings, self._rules, self._slots)
        self._scorer = Scorer(
            self._rules,
            self._slots,
            self._predict,
            self._explain,
            self._estimator,
            record=self._record,
        )
        self._versions = Versions(None, None)
        self._ops = open_ops(settings)
        self._meter = ScoreMeter()
        self._reporter = self._open_reporter()

    def __serve_build_asgi_app__(self) -> Door:
        access = self._ops.access
        routers = [
            *self._ops.routers(),
            *self._learning.routers(access, self._readiness),
            prometheus.build(self._fetch_metrics, access),
        ]
        app = api.build(self._scorer, self._readiness, access, routers, lifespan=self._lifespan)
        return Door(app, self._scorer, access, self._meter.statuses)

    def _record(self, scored: Scored) -> None:
        self._meter.record(scored)
        self._learning.log.record(scored)

    def _open_reporter(self) -> Reporter:
        parts = IngressParts(
            slots=self._slots,
            rules=self._rules,
            decisions=self._learning.log,
            events=self._learning.intake,
            waiting=lambda: self._gather.waiting,
            down=self._down,
        )
        return Reporter("Ingress", [self._meter.read, parts.read], self._telemetry.take.remote)

    async def _fetch_metrics(self) -> bytes:
        try:
            async with asyncio.timeout(METRICS_DEADLINE_S):
                return await self._telemetry.text.remote()  # type: ignore[no-any-return]
        except (*REMOTE_ERRORS, TimeoutError) as error:
            raise StoreUnavailable("the telemetry replica does not answer; try again") from error

    def _down(self) -> set[str]:
        return set(self._watched.down()) | set(self._rules.missing)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Read the rules before the first bundle, then follow what changes."""
        with contextlib.suppress(StoreUnavailable):
            await self._rules.refresh()
        following = [
            asyncio.create_task(self._rules.follow()),
            asyncio.create_task(self._follow_changes()),
        ]
        await self._warm_up()
        self._learning.start()
        self._reporter.start()
        gc.collect()
        gc.freeze()
        yield
        for task in following:
            task.cancel()
        await self._learning.aclose()
        await self._reporter.aclose()
        await self._watched.aclose()
        await self._ops.aclose()

    async def _warm_up(self) -> None:
        """Open the ways to the other replicas before the first client's deadline runs."""
        slot = default_slot(1)
        request = decode(_WARM_UP)
        view = self._rules.view
        if view is None:
            return
        bids = to_bids(request.bids, [0])
        posteriors = self._estimator.posteriors(view, slot, bids.brand_ids)
        batch = self._estimator.batch(request, datetime.now(UTC), view, slot, bids, posteriors)
        with contextlib.suppress(StoreUnavailable):
            await self._score([batch])
        await self._fetch_slots([1], RULES_DEADLINE_S)

    async def _follow_changes(self) -> None:
        async for change in self._watched.watch_changes():
            if change.entity == EVERYTHING:  # nobody marked what Redis holds: an import, a repair
                self._everything_changed_at = max(self._everything_changed_at, change.version)
            self._rules.changed()
            self._ops.heard(change)
            if change.entity == EVERYTHING or change.entity == "partner" or change.id == 0:
                self._slots.all_changed()
            elif change.entity in SLOT_ENTITIES:
                self._slots.changed(change.id)

    async def _fetch_rules(self) -> RulesFetched:
        try:
            fetched = await self._features.fetch_rules.remote(
                RULES_DEADLINE_S, self._everything_changed_at
            )
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"features: {type(error).__name__}") from error
        if fetched is None:
            raise StoreUnavailable("neither Redis nor PostgreSQL answers")
        return fetched  # type: ignore[no-any-return]

    async def _fetch_slots(self, keys: list[SlotKey], deadline: float) -> SlotsFetched:
        try:
            return await self._features.fetch_slots.remote(  # type: ignore[no-any-return]
                keys, deadline, self._everything_changed_at
            )
        except REMOTE_ERRORS as error:
            log.warning("features_call_failed", error=type(error).__name__)
            return SlotsFetched({}, unanswered=frozenset(keys), missing=frozenset({"features"}))

    async def _predict(self, batch: ScoreBatch) -> Prediction:
        return await self._gather.ask(batch, weight=len(batch))

    async def _score(self, batches: Sequence[ScoreBatch]) -> list[Prediction]:
        """One call for all batches, its answer cut into theirs."""
        try:
            (ctr, ctr_version), (cvr, cvr_version) = await self._scoring.score.remote(join(batches))
        except REMOTE_ERRORS as error:
            log.warning("scoring_call_failed", error=type(error).__name__)
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error
        self._versions = Versions(ctr_version, cvr_version)
        answers, start = [], 0
        for batch in batches:
            rows = slice(start, start + len(batch))
            start = rows.stop
            answers.append(
                Prediction(
                    None if ctr is None else ctr[rows],
                    None if cvr is None else cvr[rows],
                    self._versions,
                )
            )
        return answers

    async def _explain(self, batch: ScoreBatch) -> dict[str, dict[str, NDArray[float64]]]:
        try:
            return await self._scoring.explain.remote(batch)  # type: ignore[no-any-return]
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error

    def _readiness(self) -> dict[str, Any]:
        down = self._down()
        if self._versions == NO_PREDICTION.versions:
            down.add("models")
        return {
            "ready": self._rules.view is not None,
            "degraded": sorted(down),
            "models": {"ctr": self._versions.ctr, "cvr": self._versions.cvr},
        }
