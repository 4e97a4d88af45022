"""Judging a model on rows it was not trained on, beside what it has to beat."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bidding.contract import FeatureContract
from bidding.pricing import Floats
from training import baselines
from training.dataset import GROUPS, Dataset
from training.judge import Judge
from training.metrics import Judged, Quality, quality_of

LEAST_ROWS_OF_A_GROUP = 50
LARGEST_GROUPS = 40


@dataclass(frozen=True, slots=True)
class Evaluation:
    """`left_out` rows of the file were training rows; `groups` maps partner, device_type and brand
    to their names' quality, the largest first."""

    name: str
    version: str
    left_out: int
    model: Quality
    baselines: Mapping[str, Quality]
    groups: Mapping[str, Mapping[str, Quality]]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it; what can't be told is null."""
        found = _no_nan(asdict(self))
        return dict(found)


def unseen(rows: Dataset, judge: Judge) -> Dataset:
    """The rows that the model was not trained on."""
    return rows.take(~np.isin(rows.row_keys, judge.trained))


def evaluate(rows: Dataset, judge: Judge, contract: FeatureContract, left_out: int) -> Evaluation:
    """Quality of the model and the baselines on `rows`."""
    predicted = judge.predict(rows, contract)
    others = baselines.baselines(rows, contract, judge.history, judge.plain)
    judged = _judged(rows, predicted)
    return Evaluation(
        name=judge.model.name,
        version=judge.model.version,
        left_out=left_out,
        model=quality_of(judged),
        baselines={name: quality_of(_judged(rows, found)) for name, found in others.items()},
        groups={group: _by_group(rows.groups[group], judged) for group in GROUPS},
    )


def _judged(rows: Dataset, predicted: Floats) -> Judged:
    return Judged(rows.outcomes, predicted, rows.weights * rows.counts)


def _by_group(names: np.typing.NDArray[np.object_], rows: Judged) -> dict[str, Quality]:
    found, number = np.unique(names.astype(str), return_counts=True)
    order = np.argsort(-number, kind="stable")[:LARGEST_GROUPS]
    return {
        str(found[place]) or "(none)": quality_of(rows.take(names == found[place]))
        for place in order
        if number[place] >= LEAST_ROWS_OF_A_GROUP
    }


def _no_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _no_nan(each) for key, each in value.items()}
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
