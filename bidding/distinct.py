"""Rows that are alike are scored once: bids of a bundle often differ in nothing a model sees."""

import numpy as np
from numpy.typing import NDArray

from bidding.batch import Float32s

_MOST_COLUMNS = 4_096
_SEED = 20_261_123
# Below this share of repeats, looking for them costs more than it saves.
_WORTH_IT = 0.25
# How often to look again where it was not worth it.
_LOOK_AGAIN = 32
_LEAST_ROWS = 8


class DistinctRows:
    """Finds repeated rows, and stops looking for a while where there are few.

    Rows are told apart by a random projection in double precision: unlike rows share one with a
    chance of about 2**-50.
    """

    def __init__(self, columns: int) -> None:
        rng = np.random.default_rng(_SEED)
        self._weights = rng.standard_normal(min(columns, _MOST_COLUMNS) + 1)
        self._skip = 0

    def of(
        self, matrix: Float32s, margin: Float32s
    ) -> tuple[NDArray[np.intp], NDArray[np.intp]] | None:
        """The first of each kind of row of float32[n, columns] with `margin` float32[n], and which
        kind each row is of: intp[k], intp[n]. None where all rows may as well be scored."""
        n = len(matrix)
        if n < _LEAST_ROWS or len(self._weights) != matrix.shape[1] + 1:
            return None
        if self._skip:
            self._skip -= 1
            return None
        # missing values (NaN) are alike
        filled = np.nan_to_num(matrix, nan=-9.25e8) if np.isnan(matrix).any() else matrix
        marks = filled @ self._weights[:-1] + margin * self._weights[-1]
        _, first, kind = np.unique(marks, return_index=True, return_inverse=True)
        if len(first) > (1 - _WORTH_IT) * n:
            self._skip = _LOOK_AGAIN
            return None
        return first, kind
