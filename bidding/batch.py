"""What one scoring call carries: the raw columns of one or more bundles, and their posteriors."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Float32s = NDArray[np.float32]
Int32s = NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class ScoreBatch:
    """G bundles with N rows (bids) in all, as the feature contract lays them out.

    `shared` float32[G, R] holds what all bids of a bundle have in common, `rows`
    float32[N, K] what differs, `segments` int32[S] the codes of the users' segments with
    `segment_offsets` int32[G+1]; `row_bundle` int32[N] says which bundle a row is of.
    `ctr`, `cvr` float32[N] are the posterior means in (0, 1).
    """

    shared: Float32s
    segments: Int32s
    segment_offsets: Int32s
    rows: Float32s
    row_bundle: Int32s
    ctr: Float32s
    cvr: Float32s

    def __len__(self) -> int:
        return len(self.rows)


def join(batches: Sequence[ScoreBatch]) -> ScoreBatch:
    """Several batches as one; a single one is passed through."""
    if len(batches) == 1:
        return batches[0]
    segments = [batch.segments for batch in batches]
    bundles = np.cumsum([0, *(len(batch.shared) for batch in batches)])
    starts = np.cumsum([0, *(len(found) for found in segments)])
    offsets = [b.segment_offsets[:-1] + s for b, s in zip(batches, starts[:-1], strict=True)]
    return ScoreBatch(
        shared=np.concatenate([batch.shared for batch in batches]),
        segments=np.concatenate(segments),
        segment_offsets=np.concatenate([*offsets, starts[-1:]]).astype(np.int32),
        rows=np.concatenate([batch.rows for batch in batches]),
        row_bundle=np.concatenate(
            [b.row_bundle + first for b, first in zip(batches, bundles[:-1], strict=True)]
        ).astype(np.int32),
        ctr=np.concatenate([batch.ctr for batch in batches]),
        cvr=np.concatenate([batch.cvr for batch in batches]),
    )
