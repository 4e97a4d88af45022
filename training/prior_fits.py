"""Priors of every vertical, for both rates, from the history of pairs."""

from bidding.priors import PriorFit, fit_priors
from stores.feature_types import Rate
from stores.priors import PairHistory

_IMPRESSIONS, _CLICKS, _CONVERSIONS = 0, 1, 2


def fit_history(history: PairHistory) -> dict[tuple[str, Rate], PriorFit]:
    """By (vertical, rate); the vertical "" is over all. Empty without any click."""
    counts = history.counts
    rates: dict[Rate, tuple[int, int]] = {
        "ctr": (_CLICKS, _IMPRESSIONS),
        "cvr": (_CONVERSIONS, _CLICKS),
    }
    found: dict[tuple[str, Rate], PriorFit] = {}
    for rate, (hits, trials) in rates.items():
        for vertical, fit in fit_priors(counts[hits], counts[trials], history.verticals).items():
            found[vertical, rate] = fit
    return found
