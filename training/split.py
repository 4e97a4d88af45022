"""Which part a row belongs to: told by a stable hash of its key, never by its place in a file."""

import numpy as np
from numpy.typing import NDArray

_GOLDEN = 0x9E3779B97F4A7C15
_FOLD_SALT = 1 << 20
_UNITS = 1 << 53


def uniform_of(row_keys: NDArray[np.int64], salt: int) -> NDArray[np.float64]:
    """A number in [0, 1) for each key, float64[n], alike everywhere and for ever.

    The finalizer of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    z = row_keys.astype(np.uint64) + np.uint64((salt + 1) * _GOLDEN % 2**64)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return (z >> np.uint64(11)).astype(np.float64) / _UNITS


def split_of(row_keys: NDArray[np.int64], holdout: float = 0.2, fold: int = 0) -> NDArray[np.bool_]:
    """True where a row is held out of training, bool[n]: one key in 1/`holdout`.

    Row keys are hashes already, so their remainder splits as well as any other hash; `fold`
    chooses the remainder.
    """
    if holdout <= 0:
        return np.zeros(len(row_keys), bool)
    parts = max(round(1 / holdout), 2)
    held: NDArray[np.bool_] = row_keys % parts == fold % parts
    return held


def fold_of(row_keys: NDArray[np.int64], folds: int, salt: int) -> NDArray[np.int64]:
    """The fold of each row, int64[n] in [0, folds), independent of `split_of`."""
    return (uniform_of(row_keys, _FOLD_SALT + salt) * folds).astype(np.int64)
