"""Canned bundles through the live path, scored by a candidate version beside the champion.

Everything but the version is as it is for an ad server: decoding, features, posteriors, rules.
Nothing is logged and no metric moves.
"""

import json
import time
from collections.abc import Awaitable, Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bidding.batch import ScoreBatch
from bidding.errors import AdBidError
from bidding.evaluate import Evaluation
from bidding.reasons import Reason
from deployments.canned import BUNDLES, Canned, read_canned
from deployments.estimates import Estimator
from deployments.rules_view import RulesFeed
from deployments.score_answer import STORES
from deployments.scorer import NOTHING_EXPLAINED, Explained, Prediction, Scored, Scorer
from deployments.slot_source import SlotSource
from stores.busiest import Busiest
from stores.model_registry import CTR_MODEL

TMAX_MS = 10_000
ATTEMPTS = 3
# Reasons to be out that leave nothing to value; a candidate's NaN would show as ZERO_VALUE.
VALUELESS = [
    int(reason) for reason in Reason if reason.is_no_bid and reason is not Reason.ZERO_VALUE
]
FindBusiest = Callable[[], Awaitable[Busiest]]
# Model name, version (None: the champion), batch -> what it predicts.
PredictBy = Callable[[str, str | None, ScoreBatch], Coroutine[Any, Any, Prediction]]


class DryRunBundle(BaseModel):
    """One canned bundle: values per impression by the champion and by the candidate, in the
    bundle's order, 0 for bids that are out (unless the champion lets none in: then what each is
    worth); `error` where it could not be scored."""

    name: str
    before: list[float]
    after: list[float]
    error: str | None


class DryRunFound(BaseModel):
    """What a candidate did with each canned bundle."""

    model: str
    version: str
    bundles: list[DryRunBundle]


class DryRunner:
    """Runs the canned bundles of `configs/golden_bundles.json` on the busiest slots."""

    def __init__(
        self,
        rules: RulesFeed,
        slots: SlotSource,
        estimator: Estimator,
        predict_by: PredictBy,
        busiest: FindBusiest,
        bundles: Path = BUNDLES,
    ) -> None:
        self._rules = rules
        self._slots = slots
        self._estimator = estimator
        self._predict_by = predict_by
        self._busiest = busiest
        self._bundles = bundles

    async def run(self, name: str, version: str) -> DryRunFound:
        """Raises `ModelRefused` for a version that a replica would not take."""
        canned = read_canned(self._bundles, await self._busiest())
        found = [await self._one(name, version, bundle) for bundle in canned]
        return DryRunFound(model=name, version=version, bundles=found)

    async def _one(self, name: str, version: str, bundle: Canned) -> DryRunBundle:
        body = json.dumps(bundle.request | {"tmax_ms": TMAX_MS}).encode()
        title = bundle.name
        try:
            before = await self._score(name, None, body)
            after = await self._score(name, version, body)
        except AdBidError as error:
            return DryRunBundle(name=title, before=[], after=[], error=error.detail)
        wrong = f"the champion: {problem}" if (problem := problem_of(before)) else None
        wrong = wrong or candidate_problem_of(after, name, version)
        if wrong is not None:
            return DryRunBundle(name=title, before=[], after=[], error=wrong)
        entered = bool((before.evaluation.rank > 0).any())
        values = values_of if entered else values_below_the_floor
        return DryRunBundle(
            name=title,
            before=values(before.evaluation).tolist(),
            after=values(after.evaluation).tolist(),
            error=None,
        )

    async def _score(self, name: str, version: str | None, body: bytes) -> Scored:
        """A decision, asked for again where the models were not in time: a replica that scores by
        a version for the first time downloads it."""
        decisions: list[Scored] = []
        scorer = Scorer(
            self._rules,
            self._slots,
            partial(self._predict_by, name, version),
            _explain_nothing,
            self._estimator,
            record=decisions.append,
        )
        for _ in range(ATTEMPTS):
            await scorer(body, [], time.monotonic())
            if "scoring" not in decisions[-1].degraded:
                break
        return decisions[-1]


def problem_of(scored: Scored) -> str | None:
    """Why a decision proves nothing, None where it does: something was missing, or a bid without
    a reason to be out has no value."""
    without = [part for part in scored.degraded if part not in STORES]  # the other store stood in
    if without:
        return f"degraded: {', '.join(without)}"
    evaluation = scored.evaluation
    valueless = ~np.isfinite(evaluation.vpi) & ~np.isin(evaluation.reason, VALUELESS)
    if valueless.any():
        return f"bid {evaluation.bids.bid_ids[int(valueless.argmax())]} has no finite value"
    return None


def candidate_problem_of(scored: Scored, name: str, version: str) -> str | None:
    """As `problem_of`, and that this version of the model did score, with rates in (0, 1)."""
    is_ctr = name == CTR_MODEL
    by = scored.versions.ctr if is_ctr else scored.versions.cvr
    rates = scored.prediction.ctr if is_ctr else scored.prediction.cvr
    if (problem := problem_of(scored)) is not None:
        return problem
    if by != version or rates is None:
        return f"scored by version {by}, not by {version}"
    if not np.isfinite(rates).all():
        return "predicted rates that are not finite"
    if not ((rates > 0) & (rates < 1)).all():
        return "predicted rates outside of 0 to 1"
    return None


def values_of(evaluation: Evaluation) -> NDArray[np.float64]:
    """Values per impression in the order of the bids; 0 where a bid is not ranked."""
    return np.where(evaluation.rank > 0, evaluation.vpi, 0.0)


def values_below_the_floor(evaluation: Evaluation) -> NDArray[np.float64]:
    """The same where the slot's floor is above every canned bid, which would hide their order: what
    each is worth, 0 where that is not to be told."""
    return np.where(np.isfinite(evaluation.vpi), evaluation.vpi, 0.0)


async def _explain_nothing(batch: ScoreBatch) -> Explained:
    return NOTHING_EXPLAINED
