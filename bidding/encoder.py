"""What a model makes of the raw columns: fitted in training, shipped with it, run in serving.

Codes become shrunk log-rates (target encodings) and small ordinals, segments become columns of
the model's own vocabulary, and linear scores sum weights over codes. Plain numpy and JSON, so
it can be read, compared and loaded without trusting a file.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidding.batch import Float32s, Int32s, ScoreBatch

_BRAND = "brand"


@dataclass(frozen=True, slots=True)
class Lookup:
    """Values by code: `codes` int64[k] ascending, `values` float64[k], `default` for the rest."""

    codes: NDArray[np.int64]
    values: NDArray[np.float64]
    default: float = 0.0

    def of(self, codes: NDArray[np.int64]) -> NDArray[np.float64]:
        """The value of each code, in the codes' shape."""
        if len(self.codes) == 0:
            return np.full(codes.shape, self.default)
        at = self.codes.searchsorted(codes).clip(max=len(self.codes) - 1)
        return np.where(self.codes[at] == codes, self.values[at], self.default)


@dataclass(frozen=True, slots=True)
class Linear:
    """One linear score: weights by code of columns, of segments, and of brand x segment pairs."""

    columns: Mapping[str, Lookup]
    segments: Lookup
    brand_segments: Lookup


@dataclass(frozen=True, slots=True)
class Encoder:
    """The model's columns, in order: numeric, encoded, ordinal, vocabulary, linear.

    `shared`, `per_bid` are the raw layout (the contract's) it was fitted on; `vocabulary`
    int64[v] holds segment codes, ascending.
    """

    shared: tuple[str, ...]
    per_bid: tuple[str, ...]
    numeric: tuple[str, ...]
    encoded: Mapping[str, Lookup]
    ordinal: Mapping[str, Lookup]
    vocabulary: NDArray[np.int64]
    linear: Mapping[str, Linear]

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

    def transform(self, batch: ScoreBatch) -> Float32s:
        """The model's matrix, float32[N, len(names)]."""
        parts: list[NDArray[Any]] = [self._numeric(batch)]
        parts += [lookup.of(self._codes(batch, name)) for name, lookup in self.encoded.items()]
        parts += [lookup.of(self._codes(batch, name)) for name, lookup in self.ordinal.items()]
        parts.append(self._segments(batch))
        parts += [self._linear(batch, linear) for linear in self.linear.values()]
        columns = [part.reshape(len(batch), -1).astype(np.float32) for part in parts]
        return np.ascontiguousarray(np.concatenate(columns, axis=1))

    def _raw(self, batch: ScoreBatch, name: str) -> NDArray[np.float32]:
        if name in self.per_bid:
            return batch.rows[:, self.per_bid.index(name)]
        return batch.shared[:, self.shared.index(name)][batch.row_bundle]

    def _codes(self, batch: ScoreBatch, name: str) -> NDArray[np.int64]:
        return self._raw(batch, name).astype(np.int64)

    def _numeric(self, batch: ScoreBatch) -> NDArray[np.float32]:
        if not self.numeric:
            return np.empty((len(batch), 0), np.float32)
        return np.column_stack([self._raw(batch, name) for name in self.numeric])

    def _segments(self, batch: ScoreBatch) -> Float32s:
        """Multi-hot over the vocabulary, made once a bundle."""
        hot = np.zeros((len(batch.shared), len(self.vocabulary)), np.float32)
        if len(self.vocabulary) and len(batch.segments):
            at = self.vocabulary.searchsorted(batch.segments).clip(max=len(self.vocabulary) - 1)
            known = self.vocabulary[at] == batch.segments
            bundle = np.repeat(np.arange(len(hot)), np.diff(batch.segment_offsets))
            hot[bundle[known], at[known]] = 1.0
        return hot[batch.row_bundle]

    def _linear(self, batch: ScoreBatch, linear: Linear) -> NDArray[np.float64]:
        score = np.zeros(len(batch))
        for name, lookup in linear.columns.items():
            score += lookup.of(self._codes(batch, name))
        weights = linear.segments.of(batch.segments.astype(np.int64))
        bundle = np.repeat(np.arange(len(batch.shared)), np.diff(batch.segment_offsets))
        score += np.bincount(bundle, weights, minlength=len(batch.shared))[batch.row_bundle]
        if len(linear.brand_segments.codes):
            row, segment = segment_rows(batch.segments, batch.segment_offsets, batch.row_bundle)
            pairs = pair_code(self._codes(batch, _BRAND)[row], segment)
            score += np.bincount(row, linear.brand_segments.of(pairs), minlength=len(batch))
        return score

    def to_dict(self) -> dict[str, Any]:
        """As JSON can hold it."""
        found: dict[str, Any] = _plain(asdict(self))
        return found

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "Encoder":
        """From `to_dict`. Raises `KeyError`, `TypeError` or `ValueError` for anything else."""
        return cls(
            shared=tuple(map(str, fields["shared"])),
            per_bid=tuple(map(str, fields["per_bid"])),
            numeric=tuple(map(str, fields["numeric"])),
            encoded=_lookups(fields["encoded"]),
            ordinal=_lookups(fields["ordinal"]),
            vocabulary=np.array(fields["vocabulary"], np.int64),
            linear={
                str(name): Linear(
                    _lookups(linear["columns"]),
                    _lookup(linear["segments"]),
                    _lookup(linear["brand_segments"]),
                )
                for name, linear in fields["linear"].items()
            },
        )


def pair_code(brand: NDArray[np.int64], segment: NDArray[np.int64]) -> NDArray[np.int64]:
    """One code of a brand's and a segment's 24-bit codes."""
    return (brand << 24) | segment


def segment_rows(
    segments: Int32s, offsets: Int32s, row_bundle: Int32s
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Every (row, segment code) pair of a batch: the segments of a row's bundle, for each row."""
    lengths = np.diff(offsets)[row_bundle]
    row = np.repeat(np.arange(len(row_bundle)), lengths)
    starts = np.repeat(offsets[:-1][row_bundle] - (np.cumsum(lengths) - lengths), lengths)
    return row, segments[starts + np.arange(len(row))].astype(np.int64)


def lookup_of(codes: Sequence[int], values: Sequence[float], default: float = 0.0) -> Lookup:
    """A lookup from codes in any order."""
    order = np.argsort(np.asarray(codes, np.int64))
    return Lookup(
        np.asarray(codes, np.int64)[order], np.asarray(values, np.float64)[order], default
    )


def _lookups(fields: Mapping[str, Any]) -> dict[str, Lookup]:
    return {str(name): _lookup(lookup) for name, lookup in fields.items()}


def _lookup(fields: Mapping[str, Any]) -> Lookup:
    codes = np.array(fields["codes"], np.int64)
    values = np.array(fields["values"], np.float64)
    if codes.shape != values.shape or codes.ndim != 1 or (np.diff(codes) <= 0).any():
        raise ValueError("a lookup's codes must ascend and match its values")
    return Lookup(codes, values, float(fields["default"]))


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value
