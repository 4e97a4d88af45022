"""Fitting an encoder: what looks at outcomes is kept out of the rows it is shown to."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from bidding.batch import Float32s
from bidding.contract import FeatureContract
from bidding.encoder import Encoder
from bidding.lookups import Lookup
from bidding.pricing import Floats
from training.dataset import Dataset, Int64s, RowRates
from training.linear_scores import fit_linear
from training.spec import EncoderSpec, VocabularySpec
from training.split import fold_of

_MOST_ORDINALS = 4_096


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """What of an encoder does not look at outcomes: ordinals by frequency, and the vocabulary."""

    ordinal: Mapping[str, Lookup]
    vocabulary: Int64s


def labels_of(rows: Dataset, spec: EncoderSpec) -> Labels:
    """The labels of the rows."""
    ordinal = {name: _by_frequency(rows.columns[name].astype(np.int64)) for name in spec.ordinal}
    return Labels(ordinal, _vocabulary(rows, spec.vocabulary))


def fit_encoder(
    rows: Dataset, margins: Floats, contract: FeatureContract, spec: EncoderSpec, labels: Labels
) -> Encoder:
    """The encoder of the rows; `margins` are their posterior log-odds plus shift, float64[n]."""
    encoded = {
        name: _log_rates(rows, rows.columns[name].astype(np.int64), worth)
        for name, worth in spec.encoded.items()
    }
    linear = {name: fit_linear(rows, margins, score) for name, score in spec.linear.items()}
    return Encoder(
        shared=contract.shared,
        per_bid=contract.per_bid,
        numeric=spec.numeric,
        encoded=encoded,
        ordinal=labels.ordinal,
        vocabulary=labels.vocabulary,
        linear=linear,
    )


def out_of_fold_matrix(
    rows: Dataset,
    rates: RowRates,
    contract: FeatureContract,
    spec: EncoderSpec,
    labels: Labels,
    folds: tuple[int, int],
) -> Float32s:
    """The model's matrix of the rows, each encoded by the other folds; `folds` (number, salt)."""
    number, salt = folds
    fold = fold_of(rows.row_keys, number, salt)
    margins = logit(rates.pair) + rows.shifts
    matrix: Float32s | None = None
    for each in range(number):
        mine = fold == each
        if not mine.any():
            continue
        encoder = fit_encoder(rows.take(~mine), margins[~mine], contract, spec, labels)
        part = RowRates(rates.pair[mine], rates.slot[mine], rates.brand[mine])
        found = encoder.transform(rows.take(mine).batch(contract, part))
        if matrix is None:
            matrix = np.empty((len(rows), found.shape[1]), np.float32)
        matrix[mine] = found
    if matrix is None:
        raise ValueError("no rows to encode")
    return matrix


def _log_rates(rows: Dataset, codes: Int64s, worth: float) -> Lookup:
    """Log-odds by code, shrunk to the overall rate g by `worth` successes.

    Micci-Barreca, "A preprocessing scheme for high-cardinality categorical attributes", SIGKDD
    Explorations 3 (2001).
    """
    distinct, index = np.unique(codes, return_inverse=True)
    stood_for = rows.counts * rows.weights
    g = rows.rate
    k = worth / g
    successes = np.bincount(index, rows.outcomes * stood_for, minlength=len(distinct))
    trials = np.bincount(index, stood_for, minlength=len(distinct))
    return Lookup(distinct, logit((successes + k * g) / (trials + k)), float(logit(g)))


def _by_frequency(codes: Int64s) -> Lookup:
    """1 for the most frequent code, 2 for the next, ...; 0 for codes never seen."""
    distinct, number = np.unique(codes, return_counts=True)
    order = np.lexsort((distinct, -number))[:_MOST_ORDINALS]
    kept = np.sort(order)
    ranks = np.empty(len(distinct))
    ranks[order] = np.arange(1, len(order) + 1)
    return Lookup(distinct[kept], ranks[kept])


def _vocabulary(rows: Dataset, spec: VocabularySpec) -> Int64s:
    """The most frequent segments, ascending."""
    distinct, number = np.unique(rows.segments.astype(np.int64), return_counts=True)
    order = np.lexsort((distinct, -number))[: spec.size]
    return np.sort(distinct[order][number[order] >= spec.min_rows])
