"""The ingress: holds the near cache and the rules, gathers calls, answers HTTP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

import numpy as np
from fastapi import FastAPI
from ray import serve
from ray.serve.handle import DeploymentHandle

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import api, collector, http_server, logs
from deployments.admission import Admission
from deployments.autoscaling import BusyShare
from deployments.calls import Calls
from deployments.door import Door
from deployments.dry_run import DryRunner
from deployments.estimates import Estimator
from deployments.features import open_feature_store
from deployments.gather import Gather
from deployments.lately import Lately
from deployments.learning import open_learning
from deployments.line import Lines, lines_folder
from deployments.metrics_ingress import IngressParts
from deployments.metrics_score import ScoreMeter
from deployments.model_calls import ModelCalls
from deployments.models import open_models
from deployments.ops import open_ops
from deployments.pulse import Pulse
from deployments.reading import RULES_DEADLINE_S, Reading
from deployments.routes import prometheus, training
from deployments.score_request import decode
from deployments.scorer import NO_PREDICTION, Prediction, Scored, Scorer
from deployments.security import HttpMeter
from deployments.slot_source import SlotSource, default_slot
from deployments.telemetry_report import Reporter
from deployments.tracing import open_tracing
from deployments.tracing_calls import TracedSlots, traced_predict
from stores.auction_settings import load_auction_rules
from stores.busiest import fetch_busiest
from stores.settings import load_settings
from stores.training_runs import TrainingRuns

# Rows of one call to a scoring replica: about 10 ms of XGBoost, so that no call blocks it long.
LARGEST_CALL = 3_000
REPORTS_KEPT_S = 1.0
# Each is given up after `calls.PATIENCE_S`.
WARM_UP_TRIES = 15
_ONE_BID = b'{"slot_id":1,"bids":[{"bid_id":"-","brand_id":1,"pricing_model":"CPC","amount":1}]}'


@serve.ingress()
class Ingress:
    """HTTP in, HTTP out."""

    async def __init__(  # type: ignore[misc]
        self,
        features: DeploymentHandle,
        scoring: DeploymentHandle,
        rollup: DeploymentHandle,
        overseer: DeploymentHandle,
        telemetry: DeploymentHandle,
    ) -> None:
        logs.configure("ingress")
        http_server.install()
        settings = load_settings()
        self._tracing = open_tracing()
        self._lines = Lines(lines_folder(settings), _own_number)
        self._calls = Calls(
            features, scoring, telemetry, traced=self._tracing is not None, lines=self._lines
        )
        self._watched = open_feature_store(settings)
        self._ops = open_ops(settings)
        self._reading = Reading(
            self._watched,
            self._calls.fetch_rules,
            self._calls.fetch_slots,
            kept=settings.last_known,
            auction=load_auction_rules(),
            heard=self._ops.heard,
            slots=TracedSlots if self._tracing else SlotSource,
        )
        self._rules, self._slots = self._reading.rules, self._reading.slots
        self._gather: Gather[ScoreBatch, Prediction] = Gather(
            self._calls.score, max_weight=LARGEST_CALL
        )
        self._pulse = Pulse(self._score_one, lambda: self._calls.answered_at)
        self._estimator = Estimator.from_configs()
        self._admission = Admission()
        self._learning = open_learning(settings, self._rules, self._slots)
        self._scorer = Scorer(
            self._rules,
            self._slots,
            traced_predict(self._predict) if self._tracing else self._predict,
            self._calls.explain,
            self._estimator,
            away=self._reading.away,
            admission=self._admission,
            record=self._record,
        )
        self._model_calls = ModelCalls(scoring)
        # Each scoring replica works for an answer, beside its bundles.
        self._reports = Lately(self._model_calls.reports, REPORTS_KEPT_S)
        self._models = open_models(settings, self._reports, self._model_calls.shadow)
        self._busy = BusyShare()
        self._meter = ScoreMeter()
        self._http = HttpMeter()
        self._reporter = self._open_reporter()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve asks for this every few seconds, on the event loop that answers bundles."""
        return self._busy.stats()

    def __serve_build_asgi_app__(self) -> Door:
        access = self._ops.access
        routers = [
            *self._ops.routers(),
            *self._learning.routers(access, self._readiness, self._reports),
            self._models.router(access),
            prometheus.build(self._calls.metrics, access),
            training.build(
                TrainingRuns(self._ops.postgres),
                DryRunner(
                    self._rules,
                    self._slots,
                    self._estimator,
                    self._calls.score_by,
                    partial(fetch_busiest, self._ops.postgres),
                ),
                access,
            ),
        ]
        app = api.build(
            self._scorer,
            self._readiness,
            access,
            routers,
            lifespan=self._lifespan,
            meter=self._http,
        )
        return Door(app, self._scorer, access, self._meter.statuses, self._tracing, self._admission)

    def _record(self, scored: Scored) -> None:
        self._meter.record(scored)
        self._learning.log.record(scored)
        self._models.shadow.offer(scored)
        if self._tracing is not None:
            self._tracing.note(scored.took_s, scored.request.tmax_ms, scored.degraded)

    def _open_reporter(self) -> Reporter:
        parts = IngressParts(
            slots=self._slots,
            rules=self._rules,
            decisions=self._learning.log,
            events=self._learning.intake,
            scoring=lambda: self._calls.made,
            waiting=lambda: self._gather.waiting,
            down=self._reading.down,
        )
        reads = [self._meter.read, parts.read, self._http.read]
        if self._tracing is not None:
            reads.append(self._tracing.read)
        return Reporter("Ingress", reads, self._calls.report)

    @contextlib.asynccontextmanager
    async def _lifespan(self, _: FastAPI) -> AsyncIterator[None]:
        """Read the rules before the first bundle, then follow what changes."""
        await self._reading.start()
        await self._lines.start()
        await self._warm_up()
        self._learning.start()
        self._models.shadow.start()
        self._reporter.start()
        self._pulse.start()
        collector.calm()
        yield
        await self._pulse.aclose()
        await self._reading.aclose()
        await self._learning.aclose()
        await self._models.aclose()
        await self._reporter.aclose()
        await self._watched.aclose()
        await self._lines.aclose()
        await self._ops.aclose()
        if self._tracing is not None:
            await asyncio.to_thread(self._tracing.close_exporter)

    async def _warm_up(self) -> None:
        """Open the ways to the other replicas before the first client's deadline runs."""
        for _ in range(WARM_UP_TRIES):  # the scoring replicas may be starting, too
            with contextlib.suppress(StoreUnavailable):
                await self._score_one()
                break
        await self._calls.fetch_slots([1], RULES_DEADLINE_S, 0)

    async def _score_one(self) -> None:
        """Ask scoring for one row. Raises `StoreUnavailable`."""
        view = self._rules.serving
        rows = view.rules.rows_of(np.zeros(1, np.int64))
        _, batch = self._estimator.estimate(
            decode(_ONE_BID), datetime.now(UTC), view, default_slot(1), rows
        )
        await self._calls.score([batch])

    async def _predict(self, batch: ScoreBatch) -> Prediction:
        return await self._gather.ask(batch, weight=len(batch))

    def _readiness(self) -> dict[str, Any]:
        down = self._reading.down()
        if self._pulse.away:
            down.add("scoring")
        if self._calls.versions == NO_PREDICTION.versions:
            down.add("models")
        return {
            "ready": bool(self._rules.serving.brand_ids),
            "degraded": sorted(down),
            "models": {"ctr": self._calls.versions.ctr, "cvr": self._calls.versions.cvr},
        }


def _own_number() -> int:
    """Which of this host's ingresses this is."""
    return int(serve.get_replica_context().rank.local_rank)
