"""Canned bundles through the live path, scored by a candidate version beside the champion.

Everything but the version is as it is for an ad server: decoding, features, posteriors, rules.
Nothing is logged and no metric moves.
"""

import json
import time
from collections.abc import Callable, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from bidding.batch import ScoreBatch
from bidding.errors import AdBidError
from deployments.estimates import Estimator
from deployments.rules_view import RulesFeed
from deployments.scorer import Prediction, Scorer
from deployments.slot_source import SlotSource
from stores.settings import PROJECT_ROOT

BUNDLES = PROJECT_ROOT / "configs" / "golden_bundles.json"
TMAX_MS = 5_000
# Model name, version (None: the champion), batch -> what it predicts.
PredictBy = Callable[[str, str | None, ScoreBatch], Coroutine[Any, Any, Prediction]]


class DryRunBundle(BaseModel):
    """One canned bundle: values per impression by the champion and by the candidate, in the
    bundle's order; `error` where it could not be scored."""

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
    """Runs the canned bundles of `configs/golden_bundles.json`."""

    def __init__(
        self,
        rules: RulesFeed,
        slots: SlotSource,
        estimator: Estimator,
        predict_by: PredictBy,
        bundles: Path = BUNDLES,
    ) -> None:
        self._rules = rules
        self._slots = slots
        self._estimator = estimator
        self._predict_by = predict_by
        self._bundles = bundles

    async def run(self, name: str, version: str) -> DryRunFound:
        """Raises `ModelRefused` for a version that a replica would not take."""
        document = json.loads(self._bundles.read_text(encoding="utf-8"))
        found = [await self._one(name, version, bundle) for bundle in document["bundles"]]
        return DryRunFound(model=name, version=version, bundles=found)

    async def _one(self, name: str, version: str, bundle: dict[str, Any]) -> DryRunBundle:
        body = json.dumps(bundle["request"] | {"tmax_ms": TMAX_MS}).encode()
        try:
            before = await self._values(name, None, body)
            after = await self._values(name, version, body)
        except AdBidError as error:
            return DryRunBundle(name=bundle["name"], before=[], after=[], error=error.detail)
        finite = np.isfinite(after).all()
        return DryRunBundle(
            name=bundle["name"],
            before=before.tolist() if finite else [],
            after=after.tolist() if finite else [],
            error=None if finite else "values that are not finite",
        )

    async def _values(self, name: str, version: str | None, body: bytes) -> NDArray[np.float64]:
        """Values per impression in the order of the bids; 0 where a bid has none."""
        scorer = Scorer(
            self._rules,
            self._slots,
            partial(self._predict_by, name, version),
            _explain_nothing,
            self._estimator,
        )
        answer = json.loads(await scorer(body, [], time.monotonic()))
        order = [bid["bid_id"] for bid in json.loads(body)["bids"]]
        values = {result["bid_id"]: result["vpi"] or 0.0 for result in answer["results"]}
        return np.array([values[bid_id] for bid_id in order], np.float64)


async def _explain_nothing(batch: ScoreBatch) -> dict[str, dict[str, NDArray[np.float64]]]:
    return {}
