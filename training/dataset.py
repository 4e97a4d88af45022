"""Rows of an impression log as arrays: what happened, how much it stands for, and the context."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from bidding.batch import Float32s, Int32s, ScoreBatch
from bidding.contract import FeatureContract, FeatureType, Source, code
from bidding.matrix import table_batch
from bidding.pricing import Flags, Floats

Int64s = NDArray[np.int64]
KEYS = ("slot", "brand", "vertical")
VERTICAL = "vertical"
GROUPS = ("partner", "device_type", "brand")


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """n rows.

    `outcomes` float64[n] is 1 for a click (or conversion), else 0; `weights` float64[n] > 0 is
    how many impressions a row stands for in the history; `shifts` float64[n] is what sampling
    adds to the log-odds of a row; `counts` float64[n] is how often the row happened, the weight
    of its loss. `keys` int64[n] tell slots, brands and verticals apart; `columns` float32[n] are
    the contract's features except posteriors; `occurred_s` float64[n] are seconds since 1970, NaN
    where the time is not known; `prices` float64[n] are market prices (CPM), NaN
    where there is none; `groups` are names to report by.
    """

    row_keys: Int64s
    outcomes: Floats
    weights: Floats
    shifts: Floats
    counts: Floats
    keys: Mapping[str, Int64s]
    columns: Mapping[str, Float32s]
    occurred_s: Floats
    segments: Int32s
    segment_offsets: Int32s
    prices: Floats
    groups: Mapping[str, NDArray[np.object_]]

    def __len__(self) -> int:
        return len(self.row_keys)

    @property
    def rate(self) -> float:
        """Outcomes per impression (or click) that the rows stand for."""
        stood_for = self.counts * self.weights
        return float((self.outcomes * stood_for).sum() / stood_for.sum())

    def take(self, chosen: Flags) -> "Dataset":
        """The chosen rows."""
        lengths = np.diff(self.segment_offsets)
        return Dataset(
            row_keys=self.row_keys[chosen],
            outcomes=self.outcomes[chosen],
            weights=self.weights[chosen],
            shifts=self.shifts[chosen],
            counts=self.counts[chosen],
            keys={name: key[chosen] for name, key in self.keys.items()},
            columns={name: column[chosen] for name, column in self.columns.items()},
            occurred_s=self.occurred_s[chosen],
            segments=self.segments[np.repeat(chosen, lengths)],
            segment_offsets=_offsets(lengths[chosen]),
            prices=self.prices[chosen],
            groups={name: group[chosen] for name, group in self.groups.items()},
        )

    def batch(self, contract: FeatureContract, rates: "RowRates") -> ScoreBatch:
        """The rows as the contract lays them out, one bundle a row."""
        posteriors = {"slot_rate": rates.slot, "brand_rate": rates.brand}
        return table_batch(
            contract,
            {**self.columns, **posteriors},
            self.segments,
            self.segment_offsets,
            rates.pair,
            rates.pair,
        )


@dataclass(frozen=True, slots=True, eq=False)
class RowRates:
    """Posterior means of each row's pair, slot and brand, float64[n] in (0, 1)."""

    pair: Floats
    slot: Floats
    brand: Floats


def dataset_of(tables: Iterable[pl.DataFrame], contract: FeatureContract) -> Dataset:
    """Impressions, from tables with the columns of `stores/training_rows.py`.

    Non-clicks that stand for W impressions shift the log-odds of all rows of their `source` by
    log(W): sampling is told to the model as a margin, not as weights.
    """
    coder = _Coder(code)
    parts = [_part(table, contract, coder) for table in tables]
    return _with_shifts(parts)


def conversions_of(tables: Iterable[pl.DataFrame], contract: FeatureContract) -> Dataset:
    """Clicks that may have converted; `times` says how often a row happened."""
    coder = _Coder(code)
    parts = []
    for table in tables:
        clicks = table.filter(pl.col("clicked") & pl.col("converted").is_not_null())
        part, _ = _part(clicks.with_columns(clicked=pl.col("converted")), contract, coder)
        times = clicks["times"].to_numpy().astype(np.float64)
        parts.append(replace(part, weights=np.ones(len(part)), counts=times))
    return _concat(parts)


class _Coder:
    """Codes of text columns; each distinct text is hashed once."""

    def __init__(self, code_of: Callable[[str], int]) -> None:
        self._code_of = code_of
        self._codes: dict[str, int] = {}

    def codes(self, column: pl.Series) -> Int64s:
        """int64[n]."""
        texts = column.cast(pl.String).fill_null("")
        distinct = texts.unique().to_list()
        for text in distinct:
            if text not in self._codes:
                self._codes[text] = self._code_of(text)
        found = texts.replace_strict(
            distinct, [self._codes[text] for text in distinct], return_dtype=pl.Int64
        )
        return found.to_numpy().astype(np.int64)  # nothing at all comes as objects


def key_of(text: str) -> int:
    """A stable 63-bit key, for histories: 24 bits would mix up slots of a large log."""
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _part(
    table: pl.DataFrame, contract: FeatureContract, coder: _Coder
) -> tuple[Dataset, NDArray[np.int64]]:
    """The table's rows without shifts, and the source of each."""
    segments = table["segments"].cast(pl.List(pl.String)).list.drop_nulls()
    flat = segments.explode().drop_nulls()
    lengths = segments.list.len().fill_null(0).to_numpy().astype(np.int64)
    n = table.height
    rows = Dataset(
        row_keys=table["row_key"].to_numpy().astype(np.int64),
        outcomes=table["clicked"].to_numpy().astype(np.float64),
        weights=table["weight"].to_numpy().astype(np.float64),
        shifts=np.zeros(n),
        counts=np.ones(n),
        keys={name: _Coder(key_of).codes(table[name]) for name in KEYS},
        columns=_columns(table, contract, coder, lengths),
        occurred_s=_seconds(table["occurred_at"]),
        segments=coder.codes(flat).astype(np.int32),
        segment_offsets=_offsets(lengths),
        prices=table["market_price"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        groups={name: table[name].to_numpy().astype(object) for name in (*GROUPS, VERTICAL)},
    )
    return rows, table["source"].to_numpy().astype(np.int64)


def _seconds(moments: pl.Series) -> Floats:
    micros = moments.dt.timestamp("us").cast(pl.Float64).fill_null(float("nan"))
    seconds: Floats = micros.to_numpy() / 1e6
    return seconds


def _columns(
    table: pl.DataFrame, contract: FeatureContract, coder: _Coder, segment_counts: Int64s
) -> dict[str, Float32s]:
    columns: dict[str, Float32s] = {}
    for feature in contract.features:
        if feature.source is Source.POSTERIOR or feature.type is FeatureType.MULTI_HOT:
            continue
        if feature.name == "segment_count":
            found: NDArray[np.float64] | Int64s = segment_counts
        elif feature.type is FeatureType.CATEGORICAL:
            found = coder.codes(table[feature.name])
        else:
            found = table[feature.name].cast(pl.Float64).fill_null(float("nan")).to_numpy()
        columns[feature.name] = found.astype(np.float32)
    return columns


def _with_shifts(parts: list[tuple[Dataset, NDArray[np.int64]]]) -> Dataset:
    rows = _concat([part for part, _ in parts])
    sources, index = np.unique(np.concatenate([source for _, source in parts]), return_inverse=True)
    others = rows.outcomes == 0
    number = np.bincount(index[others], minlength=len(sources))
    stood_for = np.bincount(index[others], rows.weights[others], minlength=len(sources))
    shifts = np.log(np.where(number > 0, stood_for / np.maximum(number, 1), 1.0))
    return replace(rows, shifts=shifts[index])


def _concat(parts: list[Dataset]) -> Dataset:
    lengths = np.concatenate([np.diff(part.segment_offsets) for part in parts])

    first = parts[0]
    return Dataset(
        row_keys=np.concatenate([part.row_keys for part in parts]),
        outcomes=np.concatenate([part.outcomes for part in parts]),
        weights=np.concatenate([part.weights for part in parts]),
        shifts=np.concatenate([part.shifts for part in parts]),
        counts=np.concatenate([part.counts for part in parts]),
        keys={name: np.concatenate([part.keys[name] for part in parts]) for name in first.keys},
        columns={n: np.concatenate([part.columns[n] for part in parts]) for n in first.columns},
        occurred_s=np.concatenate([part.occurred_s for part in parts]),
        segments=np.concatenate([part.segments for part in parts]),
        segment_offsets=_offsets(lengths),
        prices=np.concatenate([part.prices for part in parts]),
        groups={
            name: np.concatenate([part.groups[name] for part in parts]) for name in first.groups
        },
    )


def _offsets(lengths: NDArray[np.signedinteger]) -> Int32s:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
