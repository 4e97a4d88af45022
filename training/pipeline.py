"""From rows to a judged model: split, fit, compare."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from bidding.contract import FeatureContract
from training.baselines import fit_plain
from training.dataset import Dataset
from training.evaluate import Evaluation, evaluate
from training.fit import FittedModel, Fitter, fit_ctr, fit_cvr
from training.judge import Judge, markets_of
from training.metrics import Judged, Quality, quality_of
from training.spec import TrainingSpec
from training.split import split_of


@dataclass(frozen=True, slots=True, eq=False)
class Trained:
    """A fitted model, its judge, its quality by out-of-fold predictions of its own `rows`, and on
    the rows held out (None without any)."""

    contract: FeatureContract
    rows: Dataset
    fitted: FittedModel
    judge: Judge
    cross_validated: Quality
    held_out: Evaluation | None


def train(
    rows: Dataset,
    contract: FeatureContract,
    spec: TrainingSpec,
    *,
    rate: str = "ctr",
    verticals: Mapping[int, str] | None = None,
    fitter: Fitter | None = None,
) -> Trained:
    """Fit on all rows but those held out, and judge on these.

    Raises `InvalidRequest` for rows that can't train a model.
    """
    held = split_of(rows.row_keys, spec.split.holdout, spec.split.fold)
    return train_on(rows, held, contract, spec, rate=rate, verticals=verticals, fitter=fitter)


def train_on(
    rows: Dataset,
    held: np.typing.NDArray[np.bool_],
    contract: FeatureContract,
    spec: TrainingSpec,
    *,
    rate: str = "ctr",
    verticals: Mapping[int, str] | None = None,
    fitter: Fitter | None = None,
) -> Trained:
    """As `train`, with the held out rows given: bool[n]."""
    seen = rows.take(~held)
    fitted = (fit_ctr if rate == "ctr" else fit_cvr)(seen, contract, spec, verticals, fitter)
    judge = Judge(
        model=fitted.serving,
        history=fitted.history,
        plain=fit_plain(seen, contract, spec),
        trained=np.unique(seen.row_keys),
        markets=markets_of(seen, fitted.posterior, fitted.predicted),
    )
    weights = seen.weights * seen.counts
    return Trained(
        contract=contract,
        rows=seen,
        fitted=fitted,
        judge=judge,
        cross_validated=quality_of(Judged(seen.outcomes, fitted.predicted, weights)),
        held_out=evaluate(rows.take(held), judge, contract, 0) if held.any() else None,
    )
