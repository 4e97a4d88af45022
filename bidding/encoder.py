"""What a model makes of the raw columns: fitted in training, shipped with it, run in serving.

Codes become shrunk log-rates (target encodings) and small ordinals, segments become columns of
the model's own vocabulary, and linear scores sum weights over codes. Plain numpy and JSON, so
it can be read, compared and loaded without trusting a file. What runs is the compiled form in
`bidding/encoding.py`, made when the encoder is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidding.batch import Float32s, ScoreBatch
from bidding.encoding import Plan
from bidding.lookups import Linear, Lookup, lookup_of, pair_code

__all__ = ["Encoder", "Linear", "Lookup", "lookup_of", "pair_code"]


@dataclass(frozen=True, slots=True, eq=False)
class Encoder:
    """The model's columns, in order: numeric, encoded, ordinal, vocabulary, linear.

    `shared`, `per_bid` are the raw layout (the contract's) it was fitted on; `vocabulary`
    int64[v] holds segment codes, ascending. Raises `ValueError` for a column that the layout
    does not have.
    """

    shared: tuple[str, ...]
    per_bid: tuple[str, ...]
    numeric: tuple[str, ...]
    encoded: Mapping[str, Lookup]
    ordinal: Mapping[str, Lookup]
    vocabulary: NDArray[np.int64]
    linear: Mapping[str, Linear]
    _plan: Plan = field(init=False, repr=False)

    def __post_init__(self) -> None:
        plan = Plan(
            (self.shared, self.per_bid),
            self.numeric,
            self.encoded,
            self.ordinal,
            self.vocabulary,
            tuple(self.linear.values()),
        )
        object.__setattr__(self, "_plan", plan)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the model's columns."""
        return (
            *self.numeric,
            *(f"rate:{name}" for name in self.encoded),
            *(f"ordinal:{name}" for name in self.ordinal),
            *(f"segment:{code}" for code in self.vocabulary.tolist()),
            *(f"linear:{name}" for name in self.linear),
        )

    @property
    def features(self) -> tuple[str, ...]:
        """The contract's feature behind each column; `segments` for vocabulary and scores."""
        return (
            *self.numeric,
            *self.encoded,
            *self.ordinal,
            *("segments" for _ in range(len(self.vocabulary) + len(self.linear))),
        )

    def transform(self, batch: ScoreBatch) -> Float32s:
        """The model's matrix, float32[N, len(names)], C-ordered."""
        return self._plan.transform(batch)

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        return {
            "shared": list(self.shared),
            "per_bid": list(self.per_bid),
            "numeric": list(self.numeric),
            "encoded": _plain_lookups(self.encoded),
            "ordinal": _plain_lookups(self.ordinal),
            "vocabulary": self.vocabulary.tolist(),
            "linear": {name: _plain_linear(score) for name, score in self.linear.items()},
        }

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Encoder":
        """From `to_dict`. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        return cls(
            shared=_names(fields["shared"]),
            per_bid=_names(fields["per_bid"]),
            numeric=_names(fields["numeric"]),
            encoded=_lookups(fields["encoded"]),
            ordinal=_lookups(fields["ordinal"]),
            vocabulary=_ascending(fields["vocabulary"]),
            linear={str(name): _linear(score) for name, score in fields["linear"].items()},
        )


def _plain_lookup(lookup: Lookup) -> dict[str, Any]:
    return {
        "codes": lookup.codes.tolist(),
        "values": lookup.values.tolist(),
        "default": lookup.default,
    }


def _plain_lookups(lookups: Mapping[str, Lookup]) -> dict[str, Any]:
    return {name: _plain_lookup(lookup) for name, lookup in lookups.items()}


def _plain_linear(score: Linear) -> dict[str, Any]:
    return {
        "columns": _plain_lookups(score.columns),
        "segments": _plain_lookup(score.segments),
        "brand_segments": _plain_lookup(score.brand_segments),
        "brand_columns": _plain_lookups(score.brand_columns),
    }


def _linear(fields: Mapping[str, Any]) -> Linear:
    return Linear(
        _lookups(fields["columns"]),
        _lookup(fields["segments"]),
        _lookup(fields["brand_segments"]),
        _lookups(fields["brand_columns"]),
    )


def _lookups(fields: Mapping[str, Any]) -> dict[str, Lookup]:
    return {str(name): _lookup(lookup) for name, lookup in fields.items()}


def _lookup(fields: Mapping[str, Any]) -> Lookup:
    codes = _ascending(fields["codes"])
    values = np.array(fields["values"], np.float64)
    default = float(fields["default"])
    if codes.shape != values.shape:
        raise ValueError("a lookup's codes must match its values")
    if not (np.isfinite(values).all() and np.isfinite(default)):
        raise ValueError("a lookup's values must be finite")
    return Lookup(codes, values, default)


def _ascending(codes: Sequence[int]) -> NDArray[np.int64]:
    found = np.array(codes, np.int64)
    if found.ndim != 1 or (np.diff(found) <= 0).any():
        raise ValueError("codes must ascend")
    return found


def _names(names: Sequence[str]) -> tuple[str, ...]:
    return tuple(map(str, names))
