"""One bundle from bytes to bytes: the request path, without Ray, FastAPI or stores.

What it needs is passed in, so the graph, the tests and the in-process benchmark run the same
code: `slots` and `predict` may be another process or this one.
"""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.batch import ScoreBatch
from bidding.bundle import Odds
from bidding.decision_ids import decision_id
from bidding.errors import StoreUnavailable
from bidding.evaluate import Evaluation, evaluate_bids
from deployments import score_answer
from deployments.admission import Admission
from deployments.estimates import Estimator, Posteriors
from deployments.rules_view import RulesFeed, RulesView
from deployments.score_answer import Versions
from deployments.score_request import ScoreRequest, decode, to_bids
from deployments.slot_source import SlotRead, SlotSource
from stores.traced import SpanRecord

# The most of what is left that a store may use, so that the models get their turn.
STORE_SHARE = 0.5
CHANCE_BYTES = 10
EXPLAIN_ATTEMPTS = 2


@dataclass(frozen=True, slots=True)
class Prediction:
    """What the models say of one batch: float32[N] or None without a model, and versions."""

    ctr: NDArray[np.float32] | None
    cvr: NDArray[np.float32] | None
    versions: Versions
    span: SpanRecord | None = None


NO_PREDICTION = Prediction(None, None, Versions(None, None))


class Predict(Protocol):
    """Scores one batch; may raise anything a remote call may."""

    async def __call__(self, batch: ScoreBatch) -> Prediction: ...


@dataclass(frozen=True, slots=True)
class Explained:
    """Contributions in log-odds by model and factor group, float64[N] each, and whose they are."""

    contributions: dict[str, dict[str, NDArray[np.float64]]]
    versions: Versions


NOTHING_EXPLAINED = Explained({}, Versions(None, None))


class Explain(Protocol):
    """Explains one batch; may raise anything a remote call may."""

    async def __call__(self, batch: ScoreBatch) -> Explained: ...


@dataclass(frozen=True, slots=True)
class Scored:
    """A decision with all that led to it, for the log and the metrics."""

    decision_id: str
    decided_at: datetime
    request: ScoreRequest
    read: SlotRead
    evaluation: Evaluation
    versions: Versions
    degraded: tuple[str, ...]
    took_s: float
    batch: ScoreBatch | None = None
    prediction: Prediction = NO_PREDICTION


class Scorer:
    """Decode, fetch, estimate, predict, evaluate, answer."""

    def __init__(
        self,
        rules: RulesFeed,
        slots: SlotSource,
        predict: Predict,
        explain: Explain,
        estimator: Estimator,
        *,
        away: Callable[[], tuple[str, ...]] = lambda: (),
        admission: Admission | None = None,
        record: Callable[[Scored], None] = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        chance: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._rules = rules
        self._slots = slots
        self._predict = predict
        self._explain = explain
        self._estimator = estimator
        self._away = away
        self._admission = admission or Admission()
        self._record = record
        self._clock = clock
        self._chance = chance

    async def __call__(self, body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
        """The answer to one body that came at `at` (monotonic seconds), within its `tmax_ms`."""
        request = decode(body)
        until = self._admission.until(at + request.tmax_ms / 1000.0)
        view = self._rules.serving
        now = self._clock()
        read = await self._read_slot(request, until)
        bids = to_bids(request.bids, _brand_ids(request, view))
        rows = view.rules.rows_of(bids.brand_ids)
        posteriors, batch = self._estimator.estimate(
            request, request.at(now), view, read.slot, rows
        )
        prediction, scored = await self._ask_models(batch, until)
        odds = _odds(posteriors, prediction)
        evaluation = evaluate_bids(
            bids, read.slot.terms(), odds, view.rules, request.auction_type, rows
        )
        degraded = _degraded(read, scored, self._rules, self._away())
        explained = None
        if request.explain:
            found = await self._ask_explanation(batch, prediction.versions, until)
            if found is None:
                degraded = (*degraded, "explain")
            explained = self._estimator.explanations(evaluation, posteriors, found or {})
        decision = str(decision_id(now, self._chance(CHANCE_BYTES)))
        answer = score_answer.encode(
            decision, read.slot.slot_id, prediction.versions, degraded, evaluation, explained
        )
        self._record(
            Scored(
                decision,
                now,
                request,
                read,
                evaluation,
                prediction.versions,
                degraded,
                time.monotonic() - at,
                batch,
                prediction,
            )
        )
        return answer

    async def _read_slot(self, request: ScoreRequest, until: float) -> SlotRead:
        key = request.slot_key
        slot = self._slots.cached(key)
        if slot is not None:
            return SlotRead(slot)
        try:
            async with asyncio.timeout((until - time.monotonic()) * STORE_SHARE):
                return await self._slots.fetch(key)
        except (TimeoutError, ConnectionError, StoreUnavailable):
            return self._slots.last_known(key)

    async def _ask_models(self, batch: ScoreBatch, until: float) -> tuple[Prediction, bool]:
        asked = time.monotonic()
        try:
            async with asyncio.timeout(until - asked):
                return await self._predict(batch), True
        except (TimeoutError, ConnectionError, StoreUnavailable):
            self._admission.ran_late(time.monotonic() - max(until, asked))
            return NO_PREDICTION, False

    async def _ask_explanation(
        self, batch: ScoreBatch, versions: Versions, until: float
    ) -> dict[str, dict[str, NDArray[np.float64]]] | None:
        """The contributions of the models that scored; None where they cannot be had in time.

        A replica that answers may have moved on, or not yet: another gets one chance.
        """
        if versions == NO_PREDICTION.versions:
            return {}
        try:
            async with asyncio.timeout(until - time.monotonic()):
                for _ in range(EXPLAIN_ATTEMPTS):
                    explained = await self._explain(batch)
                    if explained.versions == versions:
                        return explained.contributions
        except (TimeoutError, ConnectionError, StoreUnavailable):
            return None
        return None


def _brand_ids(request: ScoreRequest, view: RulesView) -> list[int]:
    known = view.brand_ids
    return [
        bid.brand_id if bid.brand_id is not None else known.get(bid.brand or "", 0)
        for bid in request.bids
    ]


def _odds(posteriors: Posteriors, prediction: Prediction) -> Odds:
    """Posterior means, and predicted / posterior as the quality (1 where no model answered)."""
    return Odds(
        ctr=posteriors.ctr,
        cvr=posteriors.cvr,
        ctr_quality=_quality(prediction.ctr, posteriors.ctr),
        cvr_quality=_quality(prediction.cvr, posteriors.cvr),
    )


def _quality(
    predicted: NDArray[np.float32] | None, posterior: NDArray[np.float64]
) -> NDArray[np.float64]:
    if predicted is None:
        return np.ones(len(posterior))
    return predicted.astype(np.float64) / posterior


def _degraded(
    read: SlotRead, scored: bool, rules: RulesFeed, away: tuple[str, ...]
) -> tuple[str, ...]:
    found = [*away]
    if read.missing:
        found += sorted(read.missing.difference(away, ("features",)))
    if read.degraded:
        found.append("features")
    if rules.stale:
        found.append("rules")
    if not scored:
        found.append("scoring")
    return tuple(found)
