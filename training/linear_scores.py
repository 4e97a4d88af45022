"""Linear scores: weights of codes, fitted together by ridge regression of the log-odds.

A score is fitted beside the posterior (as an offset), on the sampled rows with sampling as a
shift, by L-BFGS on a sparse design. McMahan et al., "Ad click prediction", KDD 2013, for why
segment x brand weights carry the signal of a log.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.optimize import minimize
from scipy.special import expit, logit

from bidding.encoding import BRAND
from bidding.lookups import Linear, Lookup, find, no_lookup, pair_code
from bidding.pricing import Floats
from training.dataset import Dataset, Int64s
from training.spec import LinearSpec

_MAX_STEPS = 200


@dataclass(frozen=True, slots=True, eq=False)
class _Block:
    """One kind of weight: which code of `codes` each entry (row, at) of the design has.

    With `pooled`, a last weight is shared by all other codes and becomes the default.
    """

    kind: str
    name: str
    codes: Int64s
    rows: Int64s
    at: Int64s
    ridge: float
    pooled: bool = False

    @property
    def width(self) -> int:
        return len(self.codes) + self.pooled


def fit_linear(rows: Dataset, margins: Floats, spec: LinearSpec) -> Linear:
    """The score of `spec` on the rows, beside `margins` (posterior log-odds plus shift)."""
    if spec.segments == "naive":
        return Linear(segments=_naive(rows, spec))
    blocks = _blocks(rows, spec)
    if not blocks:
        return Linear()
    design = _design(blocks, len(rows))
    ridges = np.concatenate([np.full(block.width, block.ridge) for block in blocks])
    weights = _ridge(design, rows, margins, ridges)
    return _as_linear(blocks, weights)


def _naive(rows: Dataset, spec: LinearSpec) -> Lookup:
    """Each segment's own log-odds against the overall rate: naive Bayes."""
    codes, row, at = _segment_entries(rows, spec.min_rows)
    stood_for = rows.counts * rows.weights
    g = rows.rate
    k = spec.worth / g
    successes = np.bincount(at, (rows.outcomes * stood_for)[row], minlength=len(codes))
    trials = np.bincount(at, stood_for[row], minlength=len(codes))
    return Lookup(codes, logit((successes + k * g) / (trials + k)) - logit(g))


def _blocks(rows: Dataset, spec: LinearSpec) -> list[_Block]:
    blocks = []
    codes, row, at = _segment_entries(rows, spec.min_rows)
    brand = rows.columns[BRAND].astype(np.int64)
    if spec.segments is not None and spec.segments != "naive":
        blocks.append(_Block("segments", "", codes, row, at, spec.segments))
    if spec.brand_segments is not None:
        pairs = pair_code(brand[row], codes[at])
        blocks.append(_pairs("brand_segments", "", row, pairs, spec.brand_segments))
    everyone = np.arange(len(rows))
    for name, ridge in spec.columns.items():
        column = rows.columns[name].astype(np.int64)
        known = _frequent(column, spec.min_rows)
        blocks.append(_Block("columns", name, known, everyone, find(known, column), ridge, True))
    for name, ridge in spec.brand_columns.items():
        pairs = pair_code(brand, rows.columns[name].astype(np.int64))
        blocks.append(_pairs("brand_columns", name, everyone, pairs, ridge))
    return [block for block in blocks if block.width]


def _pairs(kind: str, name: str, row: Int64s, pairs: Int64s, ridge: float) -> _Block:
    codes, at = np.unique(pairs, return_inverse=True)
    return _Block(kind, name, codes, row, at, ridge)


def _segment_entries(rows: Dataset, min_rows: int) -> tuple[Int64s, Int64s, Int64s]:
    """Frequent segments, and every (row, segment) of them once."""
    row = np.repeat(np.arange(len(rows)), np.diff(rows.segment_offsets))
    pairs = np.unique(pair_code(row, rows.segments.astype(np.int64)))
    row, segment = pairs >> 24, pairs & ((1 << 24) - 1)
    codes = _frequent(segment, min_rows)
    at = find(codes, segment)
    there = at < len(codes)
    return codes, row[there], at[there]


def _frequent(codes: Int64s, min_rows: int) -> Int64s:
    distinct, number = np.unique(codes, return_counts=True)
    return distinct[number >= min_rows]


def _design(blocks: Sequence[_Block], n: int) -> sparse.csr_matrix:
    starts = np.cumsum([0, *(block.width for block in blocks)])
    row = np.concatenate([block.rows for block in blocks])
    column = np.concatenate([b.at + s for b, s in zip(blocks, starts[:-1], strict=True)])
    return sparse.csr_matrix((np.ones(len(row)), (row, column)), shape=(n, starts[-1]))


def _ridge(
    design: sparse.csr_matrix, rows: Dataset, margins: Floats, ridges: Floats
) -> NDArray[np.float64]:
    y, counts = rows.outcomes, rows.counts
    transposed = design.T.tocsr()

    def loss(weights: Floats) -> tuple[float, Floats]:
        z = margins + design @ weights
        value = (counts * (np.logaddexp(0.0, z) - y * z)).sum()
        gradient = transposed @ (counts * (expit(z) - y)) + ridges * weights
        return float(value + 0.5 * (ridges * weights**2).sum()), gradient

    start = np.zeros(design.shape[1])
    found = minimize(
        loss, start, jac=True, method="L-BFGS-B", options={"maxiter": _MAX_STEPS, "ftol": 1e-10}
    )
    weights: NDArray[np.float64] = found.x
    return weights


def _as_linear(blocks: Sequence[_Block], weights: Floats) -> Linear:
    found: dict[tuple[str, str], Lookup] = {}
    start = 0
    for block in blocks:
        mine = weights[start : start + block.width]
        default = float(mine[-1]) if block.pooled else 0.0
        found[block.kind, block.name] = Lookup(block.codes, mine[: len(block.codes)], default)
        start += block.width
    return Linear(
        columns={name: value for (kind, name), value in found.items() if kind == "columns"},
        segments=found.get(("segments", ""), no_lookup()),
        brand_segments=found.get(("brand_segments", ""), no_lookup()),
        brand_columns={n: value for (kind, n), value in found.items() if kind == "brand_columns"},
    )
