"""From plain values to a `ScoreBatch`: the one place where the matrix is laid out.

Serving lays out one bundle of n bids; training a table, as a bundle of one bid a row.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.batch import Float32s, Int32s, ScoreBatch
from bidding.contract import FeatureContract


def bundle_batch(
    contract: FeatureContract,
    shared: Mapping[str, float],
    segments: Int32s,
    per_bid: Mapping[str, ArrayLike],
    ctr: NDArray[np.float64],
    cvr: NDArray[np.float64],
) -> ScoreBatch:
    """One bundle's batch. Raises `KeyError` naming a feature of the contract that is not given."""
    n = len(ctr)
    return ScoreBatch(
        shared=np.array([[shared[name] for name in contract.shared]], np.float32),
        segments=segments,
        segment_offsets=np.array([0, len(segments)], np.int32),
        rows=_columns(contract.per_bid, per_bid, n),
        row_bundle=np.zeros(n, np.int32),
        ctr=ctr.astype(np.float32),
        cvr=cvr.astype(np.float32),
    )


def table_batch(
    contract: FeatureContract,
    columns: Mapping[str, ArrayLike],
    segments: Int32s,
    segment_offsets: Int32s,
    ctr: NDArray[np.float64],
    cvr: NDArray[np.float64],
) -> ScoreBatch:
    """A table's batch: N bundles of one bid, every column float[N]."""
    n = len(ctr)
    return ScoreBatch(
        shared=_columns(contract.shared, columns, n),
        segments=segments,
        segment_offsets=segment_offsets,
        rows=_columns(contract.per_bid, columns, n),
        row_bundle=np.arange(n, dtype=np.int32),
        ctr=ctr.astype(np.float32),
        cvr=cvr.astype(np.float32),
    )


def _columns(names: tuple[str, ...], values: Mapping[str, ArrayLike], n: int) -> Float32s:
    matrix = np.empty((n, len(names)), np.float32)
    for column, name in enumerate(names):
        matrix[:, column] = values[name]
    return matrix
