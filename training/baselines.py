"""What a model has to beat, fitted on the model's own training rows."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from scipy.special import logit

from bidding.contract import FeatureContract
from bidding.pricing import Floats
from stores import model_files
from stores.model_files import ServingModel
from training.dataset import Dataset, RowRates
from training.encoders import fit_encoder, labels_of
from training.fit import GOLDEN_ROWS, fit_booster, groups_of
from training.history import RateHistory
from training.spec import TrainingSpec

FLAT_CLICKS, FLAT_IMPRESSIONS = 3.0, 100.0
OF_HISTORY, OF_MODEL = 0.6, 0.4
NAMES = ("constant", "beta_3_97", "fitted_posterior", "blend_0.6_0.4", "plain_xgboost")


def fit_plain(rows: Dataset, contract: FeatureContract, spec: TrainingSpec) -> ServingModel:
    """XGBoost as people use it: context and segments in, no history, the rate as base score."""
    encoder_spec = spec.encoder.model_copy(
        update={
            "numeric": tuple(n for n in spec.encoder.numeric if not n.endswith("_rate")),
            "encoded": {},
            "linear": {},
        }
    )
    rate = rows.rate
    rates = constant_rates(rows, rate)
    labels = labels_of(rows, encoder_spec)
    margins = logit(rates.pair)
    encoder = fit_encoder(rows, margins + rows.shifts, contract, encoder_spec, labels)
    matrix = encoder.transform(rows.batch(contract, rates))
    return ServingModel(
        name="plain-xgboost",
        version="baseline",
        booster=fit_booster(rows, matrix, margins, spec.booster),
        encoder=encoder,
        contract_hash=contract.hash,
        rate="ctr",
        groups=groups_of(encoder, contract),
        intercept=0.0,
        facts={"rate": rate},
    )


def save_plain(
    directory: Path, plain: ServingModel, rows: Dataset, contract: FeatureContract
) -> None:
    """Write the plain model's files."""
    few = rows.take(np.arange(len(rows)) < GOLDEN_ROWS)
    golden = few.batch(contract, constant_rates(few, float(plain.facts["rate"])))
    model_files.save(directory, plain, golden)


def baselines(
    rows: Dataset, contract: FeatureContract, history: RateHistory, plain: ServingModel
) -> Mapping[str, Floats]:
    """Predictions of each baseline, float64[n] by `NAMES`."""
    rate = float(plain.facts["rate"])
    constant = constant_rates(rows, rate)
    posterior = history.rates(rows).pair
    xgboost = predict(plain, rows, contract, constant)
    flat_clicks, flat_impressions = history.pair_counts(rows)
    return {
        "constant": constant.pair,
        "beta_3_97": (flat_clicks + FLAT_CLICKS) / (flat_impressions + FLAT_IMPRESSIONS),
        "fitted_posterior": posterior,
        "blend_0.6_0.4": OF_HISTORY * posterior + OF_MODEL * xgboost,
        "plain_xgboost": xgboost,
    }


def predict(
    model: ServingModel, rows: Dataset, contract: FeatureContract, rates: RowRates
) -> Floats:
    """The model's probabilities on top of the rows' posteriors, float64[n]."""
    found = model.predict(rows.batch(contract, rates), rates.pair.astype(np.float32))
    return found.astype(np.float64)


def constant_rates(rows: Dataset, rate: float) -> RowRates:
    """The same rate for every row."""
    everywhere = np.full(len(rows), rate)
    return RowRates(everywhere, everywhere, everywhere)
