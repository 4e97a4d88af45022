"""Fitting a rate: `predicted = sigmoid(logit(posterior) + intercept + trees(context))`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import xgboost as xgb
from scipy.optimize import brentq
from scipy.special import expit, logit

from bidding.batch import Float32s, ScoreBatch
from bidding.contract import FeatureContract
from bidding.encoder import Encoder
from bidding.errors import InvalidRequest
from bidding.pricing import Floats
from bidding.priors import PriorFit
from stores.model_files import ServingModel
from training.dataset import Dataset, RowRates
from training.encoders import fit_encoder, labels_of, out_of_fold_matrix
from training.history import RateHistory, history_of, out_of_fold_rates, priors_of
from training.spec import BoosterSpec, TrainingSpec
from training.split import fold_of

GOLDEN_ROWS = 64
LEAST_OUTCOMES = 20
_RECALIBRATION_SALT = 7_919
_FARTHEST_INTERCEPT = 3.0


@dataclass(frozen=True, slots=True, eq=False)
class FittedModel:
    """A model with what judges it: history, priors, and out-of-fold rates of its n training rows.

    `posterior` and `predicted` float64[n] in (0, 1) are by histories, encodings and trees that
    have not seen the row.
    """

    serving: ServingModel
    history: RateHistory
    priors: Mapping[str, PriorFit]
    posterior: Floats
    predicted: Floats
    golden: ScoreBatch


# Rows, their matrix, their margins without shifts -> trees; `fit_booster`, here or on a cluster.
Fitter = Callable[[Dataset, Float32s, Floats, BoosterSpec], xgb.Booster]


def fit_ctr(
    rows: Dataset,
    contract: FeatureContract,
    spec: TrainingSpec,
    verticals: Mapping[int, str] | None = None,
    fitter: Fitter | None = None,
) -> FittedModel:
    """The CTR model of impressions. `verticals` names the keys of `rows.keys["vertical"]`."""
    return _fit(rows, contract, spec, "ctr", verticals or {}, fitter or fit_booster)


def fit_cvr(
    rows: Dataset,
    contract: FeatureContract,
    spec: TrainingSpec,
    verticals: Mapping[int, str] | None = None,
    fitter: Fitter | None = None,
) -> FittedModel:
    """The CVR model of clicks. Posterior rates of clicks are left out, as the spec says."""
    numeric = tuple(name for name in spec.encoder.numeric if name not in spec.cvr.without)
    encoder = spec.encoder.model_copy(update={"numeric": numeric})
    spec = spec.model_copy(update={"encoder": encoder})
    return _fit(rows, contract, spec, "cvr", verticals or {}, fitter or fit_booster)


def _fit(
    rows: Dataset,
    contract: FeatureContract,
    spec: TrainingSpec,
    rate: str,
    verticals: Mapping[int, str],
    fitter: Fitter,
) -> FittedModel:
    _check(rows)
    folds = (spec.split.folds, spec.split.salt)
    priors = priors_of(rows, verticals)
    rates = out_of_fold_rates(rows, priors, *folds)
    labels = labels_of(rows, spec.encoder)
    matrix = out_of_fold_matrix(rows, rates, contract, spec.encoder, labels, folds)
    margins = logit(rates.pair)
    unseen = _out_of_fold_scores(rows, matrix, margins, spec, fitter)
    intercept = _intercept(rows, unseen)
    history = history_of(rows, priors)
    encoder = fit_encoder(rows, margins + rows.shifts, contract, spec.encoder, labels)
    serving = ServingModel(
        name=f"adbid-{rate}",
        version="unregistered",
        booster=fitter(rows, matrix, margins, spec.booster),
        encoder=encoder,
        contract_hash=contract.hash,
        rate=rate,
        groups=groups_of(encoder, contract),
        intercept=intercept,
        facts={"rows": len(rows), "outcomes": int(rows.outcomes.sum()), "rate": rows.rate},
    )
    chosen = np.arange(len(rows)) < GOLDEN_ROWS
    few = RowRates(rates.pair[chosen], rates.slot[chosen], rates.brand[chosen])
    golden = rows.take(chosen).batch(contract, few)
    return FittedModel(serving, history, priors, rates.pair, expit(unseen + intercept), golden)


def fit_booster(rows: Dataset, matrix: Float32s, margins: Floats, spec: BoosterSpec) -> xgb.Booster:
    """Trees on top of `margins`; sampling is a shift of the margin, not a weight of the loss."""
    data = xgb.DMatrix(
        matrix,
        rows.outcomes,
        weight=rows.counts,
        base_margin=margins + rows.shifts,
        nthread=spec.nthread,
    )
    return xgb.train(spec.parameters(), data, spec.n_estimators)


def groups_of(encoder: Encoder, contract: FeatureContract) -> dict[str, tuple[int, ...]]:
    """The columns of each of the contract's factors."""
    groups: dict[str, list[int]] = {}
    for column, name in enumerate(encoder.features):
        groups.setdefault(contract.feature(name).factor, []).append(column)
    return {factor: tuple(columns) for factor, columns in groups.items()}


def _out_of_fold_scores(
    rows: Dataset, matrix: Float32s, margins: Floats, spec: TrainingSpec, fitter: Fitter
) -> Floats:
    """Log-odds of each row by trees that have not seen it, float64[n]."""
    fold = fold_of(rows.row_keys, spec.recalibration_folds, _RECALIBRATION_SALT)
    found = np.empty(len(rows))
    for number in range(spec.recalibration_folds):
        mine = fold == number
        if not mine.any():
            continue
        booster = fitter(rows.take(~mine), matrix[~mine], margins[~mine], spec.booster)
        data = xgb.DMatrix(matrix[mine], base_margin=margins[mine])
        found[mine] = booster.predict(data, output_margin=True)
    return found


def _intercept(rows: Dataset, scores: Floats) -> float:
    """What makes the predictions of unseen rows add up to what happened."""
    stood_for = rows.counts * rows.weights
    happened = float((rows.outcomes * stood_for).sum())

    def excess(shift: float) -> float:
        return float((expit(scores + shift) * stood_for).sum()) - happened

    ends = (-_FARTHEST_INTERCEPT, _FARTHEST_INTERCEPT)
    if excess(ends[0]) > 0 or excess(ends[1]) < 0:
        raise InvalidRequest("the rows can't be calibrated: predictions are far from what happened")
    return float(brentq(excess, *ends))


def _check(rows: Dataset) -> None:
    happened = int(rows.outcomes.sum())
    if happened < LEAST_OUTCOMES or happened == len(rows):
        raise InvalidRequest(
            f"{len(rows):,} rows with {happened:,} outcomes can't train a model; import or collect "
            f"at least {LEAST_OUTCOMES} outcomes, and some rows without one"
        )
