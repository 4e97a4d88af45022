"""How much each feature of the contract moves a model: its share of the trees' total gain.

All columns of a feature count for it. A linear score sums weights of many features, so its gain is
shared out among them by how much each makes the score vary over the rows (its part of the summed
variances); what a brand does to another feature counts for that other feature.
"""

from collections import defaultdict
from collections.abc import Iterator

import numpy as np

from bidding.lookups import Linear, pair_code
from bidding.pricing import Floats
from stores.model_files import ServingModel
from training.dataset import Dataset, Int64s

SEGMENTS = "segments"
_BRAND = "brand"


def importance_of(model: ServingModel, rows: Dataset) -> dict[str, float]:
    """Each feature's share, the largest first; adds up to 1 unless no tree splits. `rows` (one or
    more) are what linear scores are looked at with."""
    encoder = model.encoder
    firsts = len(encoder.names) - len(encoder.linear)
    scores = list(encoder.linear.values())
    found: dict[str, float] = defaultdict(float)
    for column, gain in model.booster.get_score(importance_type="total_gain").items():
        number, gained = int(column[1:]), float(gain if isinstance(gain, float) else gain[0])
        if number < firsts:
            found[encoder.features[number]] += gained
            continue
        for feature, share in score_shares(scores[number - firsts], rows).items():
            found[feature] += gained * share
    total = sum(found.values()) or 1.0
    return dict(sorted(((f, g / total) for f, g in found.items()), key=lambda each: -each[1]))


def score_shares(score: Linear, rows: Dataset) -> dict[str, float]:
    """How much of a linear score's variation over the rows is each feature's; adds up to 1."""
    found: dict[str, float] = defaultdict(float)
    for feature, added in _parts(score, rows):
        found[feature] += float(added.var())
    total = sum(found.values())
    if total == 0:  # the score says the same of all rows; no tree could split by it there
        return {feature: 1 / len(found) for feature in found}
    return {feature: variance / total for feature, variance in found.items()}


def _parts(score: Linear, rows: Dataset) -> Iterator[tuple[str, Floats]]:
    """What each part adds to each row's score, float64[n]."""
    brand = _codes(rows, _BRAND)
    of_segment = np.repeat(np.arange(len(rows)), np.diff(rows.segment_offsets))
    segments = rows.segments.astype(np.int64)
    for name, lookup in score.columns.items():
        yield name, lookup.of(_codes(rows, name))
    for name, lookup in score.brand_columns.items():
        yield name, lookup.of(pair_code(brand, _codes(rows, name)))
    for lookup, codes in (
        (score.segments, segments),
        (score.brand_segments, pair_code(brand[of_segment], segments)),
    ):
        if len(lookup.codes):
            added = np.bincount(of_segment, lookup.of(codes), minlength=len(rows))
            yield SEGMENTS, added.astype(np.float64)


def _codes(rows: Dataset, name: str) -> Int64s:
    return np.nan_to_num(rows.columns[name], nan=-1.0).astype(np.int64)
