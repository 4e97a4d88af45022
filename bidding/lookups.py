"""The tables an encoder is made of: values by code, and linear scores over codes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from bidding.contract import CODE_BITS


@dataclass(frozen=True, slots=True, eq=False)
class Lookup:
    """Values by code: `codes` int64[k] ascending, `values` float64[k], `default` for the rest."""

    codes: NDArray[np.int64]
    values: NDArray[np.float64]
    default: float = 0.0

    def of(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The value of each code, in the codes' shape."""
        return np.append(self.values, self.default)[find(self.codes, codes)]


def no_lookup() -> Lookup:
    """A lookup that knows no code."""
    return Lookup(np.empty(0, np.int64), np.empty(0))


@dataclass(frozen=True, slots=True, eq=False)
class Linear:
    """One linear score: the sum of weights by code.

    Of columns; of the request's segments (each counted once); of brand x segment pairs; and of
    brand x column pairs. Pairs are coded by `pair_code`; their defaults are not used (0).
    """

    columns: Mapping[str, Lookup] = field(default_factory=dict)
    segments: Lookup = field(default_factory=no_lookup)
    brand_segments: Lookup = field(default_factory=no_lookup)
    brand_columns: Mapping[str, Lookup] = field(default_factory=dict)


def find(codes: NDArray[np.int64], wanted: NDArray[np.int64]) -> NDArray[np.intp]:
    """Where each wanted code stands in the ascending `codes`; len(codes) where it does not."""
    if len(codes) == 0:
        return np.zeros(wanted.shape, np.intp)
    at = codes.searchsorted(wanted)
    known = codes.take(at, mode="clip") == wanted
    return np.where(known, at, len(codes))


def pair_code(brand: NDArray[np.int64], other: NDArray[np.int64]) -> NDArray[np.int64]:
    """One code of two 24-bit codes."""
    return (brand << CODE_BITS) | other


def unpair(codes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The two codes that `pair_code` joined."""
    return codes >> CODE_BITS, codes & ((1 << CODE_BITS) - 1)


def lookup_of(codes: Sequence[int], values: Sequence[float], default: float = 0.0) -> Lookup:
    """A lookup from distinct codes in any order."""
    order = np.argsort(np.asarray(codes, np.int64))
    return Lookup(
        np.asarray(codes, np.int64)[order], np.asarray(values, np.float64)[order], default
    )
