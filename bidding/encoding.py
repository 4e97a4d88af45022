"""The compiled form of an encoder: dense tables, so that 100 rows take a tenth of a millisecond.

Every categorical column is looked up once, whatever is made of it: its table has one row a code
(and one for the rest) and one column for each of the model's columns and linear scores that it
feeds. What all bids of a bundle share is computed once a bundle.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.batch import Float32s, ScoreBatch
from bidding.lookups import Linear, Lookup, find, unpair

BRAND = "brand"
Layout = tuple[tuple[str, ...], tuple[str, ...]]


@dataclass(frozen=True, slots=True, eq=False)
class _Table:
    """Raw column `source` -> `values` float32[k + 1, m + J]: m of the model's columns `places`,
    then what is added to each of the J linear scores. The last row is for every other code."""

    source: int
    codes: NDArray[np.int64]
    values: Float32s
    places: tuple[int, ...]
    scored: bool


@dataclass(frozen=True, slots=True, eq=False)
class _Cross:
    """Raw column `source` of a bundle x brand -> `weights` float32[k + 1, B + 1, J]."""

    shared: bool
    source: int
    codes: NDArray[np.int64]
    weights: Float32s


class Plan:
    """Runs an encoder. Raises `ValueError` for a column that the layout does not have."""

    def __init__(
        self,
        layout: Layout,
        numeric: Sequence[str],
        encoded: Mapping[str, Lookup],
        ordinal: Mapping[str, Lookup],
        vocabulary: NDArray[np.int64],
        scores: Sequence[Linear],
    ) -> None:
        self._layout = layout
        self._scores = len(scores)
        starts = np.cumsum([len(numeric), len(encoded), len(ordinal), len(vocabulary)])
        self._first_segment, self._first_score = int(starts[2]), int(starts[3])
        self.width = self._first_score + self._scores
        self._numeric = [_numbers(names, numeric) for names in layout]
        feeds = [(n, lookup, int(starts[0]) + i) for i, (n, lookup) in enumerate(encoded.items())]
        feeds += [(n, lookup, int(starts[1]) + i) for i, (n, lookup) in enumerate(ordinal.items())]
        self._tables = [self._tables_of(names, feeds, scores) for names in layout]
        self._check(numeric, feeds, scores)
        self._brands = _brands(scores)
        self._brand = layout[1].index(BRAND) if BRAND in layout[1] else None
        self._segments = _segment_codes(vocabulary, scores)
        self._vocabulary = vocabulary
        self._segment_weights = _segment_weights(self._segments, self._brands, scores)
        self._crosses = [
            cross
            for name in {name for score in scores for name in score.brand_columns}
            for cross in [self._cross_of(name, scores)]
        ]

    def transform(self, batch: ScoreBatch) -> Float32s:
        """The model's matrix, float32[N, width]."""
        of_bundle = np.zeros((len(batch.shared), self.width), np.float32)
        self._fill(of_bundle, batch.shared, 0)
        brand_scores = self._score_segments(of_bundle, batch)
        matrix = of_bundle.take(batch.row_bundle, axis=0)
        self._fill(matrix, batch.rows, 1)
        if brand_scores is not None:
            brand = self._brands_of(batch)
            scores = brand_scores[batch.row_bundle, brand]
            for cross in self._crosses:
                raw = batch.shared.take(batch.row_bundle, axis=0) if cross.shared else batch.rows
                at = find(cross.codes, raw[:, cross.source].astype(np.int64))
                scores += cross.weights[at, brand]
            matrix[:, self._first_score :] += scores
        return matrix

    def _fill(self, matrix: Float32s, raw: Float32s, side: int) -> None:
        """Numbers and table values of one side (0: the bundles', 1: the bids') into their place."""
        sources, places = self._numeric[side]
        if len(sources):
            matrix[:, places] = raw[:, sources]
        for table in self._tables[side]:
            codes = raw[:, table.source].astype(np.int64)
            found = table.values.take(find(table.codes, codes), axis=0)
            for column, place in enumerate(table.places):
                matrix[:, place] = found[:, column]
            if table.scored:
                matrix[:, self._first_score :] += found[:, len(table.places) :]

    def _score_segments(self, of_bundle: Float32s, batch: ScoreBatch) -> Float32s | None:
        """Writes the vocabulary's columns; answers what segments add, float32[G, B + 1, J]."""
        bundles = len(of_bundle)
        known = len(self._segments)
        at = find(self._segments, batch.segments.astype(np.int64))
        bundle = np.repeat(np.arange(bundles), np.diff(batch.segment_offsets))
        there = at < known
        pairs = np.unique(bundle[there] * (known + 1) + at[there])
        bundle, at = pairs // (known + 1), pairs % (known + 1)
        self._mark(of_bundle, bundle, self._segments[at])
        if not self._scores:
            return None
        sums = np.zeros((len(pairs) + 1, *self._segment_weights.shape[1:]), np.float64)
        np.cumsum(self._segment_weights[at], axis=0, out=sums[1:])
        ends = bundle.searchsorted(np.arange(bundles + 1))
        return (sums[ends[1:]] - sums[ends[:-1]]).astype(np.float32)

    def _mark(
        self, of_bundle: Float32s, bundle: NDArray[np.int64], codes: NDArray[np.int64]
    ) -> None:
        column = find(self._vocabulary, codes)
        there = column < len(self._vocabulary)
        of_bundle[bundle[there], self._first_segment + column[there]] = 1.0

    def _brands_of(self, batch: ScoreBatch) -> NDArray[np.intp]:
        if self._brand is None:
            return np.full(len(batch), len(self._brands), np.intp)
        return find(self._brands, batch.rows[:, self._brand].astype(np.int64))

    def _tables_of(
        self, names: Sequence[str], feeds: list[tuple[str, Lookup, int]], scores: Sequence[Linear]
    ) -> list[_Table]:
        tables = []
        for source, name in enumerate(names):
            mine = [(lookup, place) for n, lookup, place in feeds if n == name]
            weights = [score.columns.get(name) for score in scores]
            if mine or any(weights):
                columns = [lookup for lookup, _ in mine] + weights
                codes, values = _dense(columns)
                places = tuple(place for _, place in mine)
                tables.append(_Table(source, codes, values, places, any(weights)))
        return tables

    def _cross_of(self, name: str, scores: Sequence[Linear]) -> _Cross:
        shared = name in self._layout[0]
        source = self._layout[0 if shared else 1].index(name)
        lookups = [score.brand_columns.get(name) for score in scores]
        others = [unpair(lookup.codes)[1] for lookup in lookups if lookup is not None]
        codes = np.unique(np.concatenate(others))
        weights = np.zeros((len(codes) + 1, len(self._brands) + 1, self._scores), np.float32)
        for score, lookup in enumerate(lookups):
            if lookup is not None:
                brand, other = unpair(lookup.codes)
                rows, columns = find(codes, other), find(self._brands, brand)
                weights[rows, columns, score] = lookup.values
        return _Cross(shared, source, codes, weights)

    def _check(
        self,
        numeric: Sequence[str],
        feeds: list[tuple[str, Lookup, int]],
        scores: Sequence[Linear],
    ) -> None:
        wanted = {*numeric, *(name for name, _, _ in feeds)}
        wanted |= {n for score in scores for n in (*score.columns, *score.brand_columns)}
        unknown = wanted - {*self._layout[0], *self._layout[1]}
        if unknown:
            raise ValueError(f"the layout has no column {', '.join(sorted(unknown))}")


def _numbers(
    names: Sequence[str], numeric: Sequence[str]
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    found = [(names.index(name), place) for place, name in enumerate(numeric) if name in names]
    both = np.array(found, np.intp).reshape(-1, 2)
    return both[:, 0], both[:, 1]


def _dense(columns: Sequence[Lookup | None]) -> tuple[NDArray[np.int64], Float32s]:
    """One table of several lookups over all their codes; a `None` adds nothing."""
    given = [lookup for lookup in columns if lookup is not None]
    codes = np.unique(np.concatenate([lookup.codes for lookup in given]))
    values = np.zeros((len(codes) + 1, len(columns)), np.float32)
    for column, lookup in enumerate(columns):
        if lookup is not None:
            values[:-1, column] = lookup.of(codes)
            values[-1, column] = lookup.default
    return codes, values


def _brands(scores: Sequence[Linear]) -> NDArray[np.int64]:
    """Every brand that some pair of a linear score names."""
    pairs = [s.brand_segments for s in scores]
    pairs += [lookup for s in scores for lookup in s.brand_columns.values()]
    found = [unpair(lookup.codes)[0] for lookup in pairs]
    return np.unique(np.concatenate([np.empty(0, np.int64), *found]))


def _segment_codes(vocabulary: NDArray[np.int64], scores: Sequence[Linear]) -> NDArray[np.int64]:
    """Every segment that some column or linear score knows."""
    alone = [score.segments.codes for score in scores]
    paired = [unpair(score.brand_segments.codes)[1] for score in scores]
    return np.unique(np.concatenate([vocabulary, *alone, *paired]))


def _segment_weights(
    segments: NDArray[np.int64], brands: NDArray[np.int64], scores: Sequence[Linear]
) -> Float32s:
    """What a segment adds to each score under each brand, float32[k, B + 1, J]."""
    weights = np.zeros((len(segments), len(brands) + 1, len(scores)), np.float32)
    for number, score in enumerate(scores):
        weights[:, :, number] += score.segments.of(segments)[:, None]
        brand, segment = unpair(score.brand_segments.codes)
        rows, columns = find(segments, segment), find(brands, brand)
        weights[rows, columns, number] += score.brand_segments.values
    return weights
