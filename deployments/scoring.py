"""The scoring deployment: XGBoost replicas that follow the champion by themselves."""

import asyncio
import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray
from ray import serve
from ray.serve.handle import DeploymentHandle

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import logs
from deployments.autoscaling import BusyShare
from deployments.challenger import Challengers, Said
from deployments.line import LineServer, lines_folder
from deployments.line_wire import Head, Reply
from deployments.metrics import Key, key
from deployments.model_slot import ModelSlot
from deployments.telemetry_report import Reporter
from deployments.tracing import own_process
from stores.feature_contract import load_contract
from stores.model_fetch import ModelFiles
from stores.model_registry import CHALLENGER, CTR_MODEL, CVR_MODEL, MlflowRegistry
from stores.redis_blobs import RedisBlobs
from stores.settings import Settings, load_settings
from stores.traced import SpanRecord, collecting, timed

# Nobody waits for a challenger: it is looked for this many times more seldom.
CHALLENGER_POLLS = 3
# Taking 1,000 bids apart may take a second: one bundle at a time, behind those that are scored.
EXPLAIN_NICENESS = 5

Prediction = tuple[NDArray[np.float32] | None, str | None]


class Scoring:
    """Answers matrices with probabilities. Holds the CTR and the CVR model."""

    async def __init__(self, telemetry: DeploymentHandle) -> None:  # type: ignore[misc]
        logs.configure("scoring")
        settings = load_settings()
        if settings.mlflow_tracking_uri is None:
            raise StoreUnavailable("MLFLOW_TRACKING_URI is not set; `adbid up` sets it")
        self._registry = MlflowRegistry(settings.mlflow_tracking_uri)
        files = _files(settings)
        contract = load_contract().hash
        self._ctr = ModelSlot(CTR_MODEL, self._registry, files, contract_hash=contract)
        self._cvr = ModelSlot(CVR_MODEL, self._registry, files, contract_hash=contract)
        challengers = [
            ModelSlot(name, self._registry, files, contract_hash=contract, alias=CHALLENGER)
            for name in (CTR_MODEL, CVR_MODEL)
        ]
        self._challengers = Challengers(challengers)
        await asyncio.gather(self._ctr.start(), self._cvr.start())
        periods = dict.fromkeys((self._ctr, self._cvr), settings.model_poll_s)
        periods |= dict.fromkeys(challengers, settings.model_poll_s * CHALLENGER_POLLS)
        self._following = [
            asyncio.create_task(slot.follow(period)) for slot, period in periods.items()
        ]
        send = telemetry.options(_by_reference=False).take.remote
        self._reporter = Reporter("Scoring", [self._read_metrics], send)
        self._reporter.start()
        self._busy = BusyShare()
        self._explainer = ThreadPoolExecutor(1, "explain", _step_back)
        replica = serve.get_replica_context().replica_id.unique_id
        self._line = LineServer(lines_folder(settings), replica, self._answer_line)
        await self._line.start()

    async def record_autoscaling_stats(self) -> dict[str, float]:
        """Serve asks for this every few seconds, on the event loop that scores."""
        return self._busy.stats()

    async def score(
        self, batch: ScoreBatch, trace_id: str | None = None
    ) -> tuple[Prediction, Prediction]:
        """Predicted CTR and CVR (float32[N], None without a model) and the versions used."""
        return self._score(batch, trace_id)

    async def score_traced(
        self, batch: ScoreBatch, trace_id: str | None = None
    ) -> tuple[tuple[Prediction, Prediction], SpanRecord]:
        """`score`, and what it did."""
        return self._score_traced(batch, trace_id)

    def _answer_line(self, batch: ScoreBatch, trace_id: str | None, traced: bool) -> Reply:
        span = None
        try:
            if traced:
                (ctr, cvr), span = self._score_traced(batch, trace_id)
            else:
                ctr, cvr = self._score(batch, trace_id)
        except Exception as error:  # the boundary to another process, which is told the type
            return Reply(None, None, Head(error=type(error).__name__))
        return Reply(ctr[0], cvr[0], Head(ctr[1], cvr[1], span))

    def _score(self, batch: ScoreBatch, trace_id: str | None) -> tuple[Prediction, Prediction]:
        with logs.answering(trace_id, "score"):
            return _predict(self._ctr, batch, batch.ctr), _predict(self._cvr, batch, batch.cvr)

    def _score_traced(
        self, batch: ScoreBatch, trace_id: str | None
    ) -> tuple[tuple[Prediction, Prediction], SpanRecord]:
        started_ns = time.time_ns()
        with logs.answering(trace_id, "score"), collecting() as records:
            with timed("predict ctr"):
                ctr = _predict(self._ctr, batch, batch.ctr)
            with timed("predict cvr"):
                cvr = _predict(self._cvr, batch, batch.cvr)
        said: dict[str, str | int | float] = {
            "adbid.rows": len(batch),
            "adbid.model.ctr": ctr[1] or "",
            "adbid.model.cvr": cvr[1] or "",
        }
        process = own_process("scoring")
        span = SpanRecord(
            "scoring.score", started_ns, time.time_ns(), said, tuple(records), process
        )
        return (ctr, cvr), span

    async def score_version(
        self, name: str, version: str | None, batch: ScoreBatch, trace_id: str | None = None
    ) -> tuple[Prediction, Prediction]:
        """As `score`, with `version` of the model `name` in the champion's place.

        Loaded off the event loop and not kept. Raises `ModelRefused` for a version that this
        replica would not take.
        """
        with logs.answering(trace_id, "score_version"):
            return await self._score_version(name, version, batch)

    async def _score_version(
        self, name: str, version: str | None, batch: ScoreBatch
    ) -> tuple[Prediction, Prediction]:
        ctr, cvr = self._ctr, self._cvr
        found = _predict(ctr, batch, batch.ctr), _predict(cvr, batch, batch.cvr)
        if version is None:
            return found
        slot, posterior = (ctr, batch.ctr) if name == CTR_MODEL else (cvr, batch.cvr)
        model = await slot.candidate(version)
        candidate = await asyncio.to_thread(model.predict, batch, posterior), version
        return (candidate, found[1]) if name == CTR_MODEL else (found[0], candidate)

    async def explain(
        self, batch: ScoreBatch, trace_id: str | None = None
    ) -> tuple[dict[str, Any], tuple[str | None, str | None]]:
        """Contributions in log-odds by factor group, float64[N] each, of both models, and the
        versions of those."""
        with logs.answering(trace_id, "explain"):
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._explainer, self._contributions, batch)

    def _contributions(
        self, batch: ScoreBatch
    ) -> tuple[dict[str, Any], tuple[str | None, str | None]]:
        found: dict[str, Any] = {}
        versions: dict[str, str] = {}
        for rate, slot, margin in (("ctr", self._ctr, batch.ctr), ("cvr", self._cvr, batch.cvr)):
            model = slot.current
            if model is not None:
                found[rate] = model.contributions(batch, margin)
                versions[rate] = model.version
        return found, (versions.get("ctr"), versions.get("cvr"))

    async def shadow(self, batch: ScoreBatch, champion: Said) -> Said | None:
        """What the challengers say of an answered bundle; None when they are busy."""
        return await self._challengers.score(batch, champion)

    async def report(self) -> dict[str, Any]:
        """What this replica serves and what it has refused."""
        replica = serve.get_replica_context().replica_id.unique_id
        slots = [asdict(self._ctr.report), asdict(self._cvr.report)]
        return {
            "replica": replica,
            "pid": os.getpid(),
            "models": slots,
            "challengers": self._challengers.report(),
        }

    def _read_metrics(self) -> dict[Key, float]:
        found: dict[Key, float] = {}
        for report in (self._ctr.report, self._cvr.report):
            if report.version is not None:
                found[key("adbid_model_info", report.name, report.version)] = 1
            for outcome, count in report.reloads.items():
                found[key("adbid_model_reloads_total", report.name, outcome)] = count
            found[key("adbid_model_refused", report.name)] = len(report.refused)
            found[key("adbid_store_up", "mlflow")] = int(report.registry_reachable)
        return found


def _step_back() -> None:
    """This thread's priority, where the system has such a thing."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), EXPLAIN_NICENESS)


def _predict(slot: ModelSlot, batch: ScoreBatch, posterior: NDArray[np.float32]) -> Prediction:
    model = slot.current
    if model is None:
        return None, None
    return model.predict(batch, posterior), model.version


def _files(settings: Settings) -> ModelFiles:
    blobs = RedisBlobs(settings.redis_url) if settings.redis_url else None
    return ModelFiles(settings.model_cache, blobs, dict(os.environ))
