"""How good predicted rates are, on rows that stand for several impressions each."""

from collections.abc import Callable
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from bidding.pricing import Flags, Floats

_LEAST = 1e-12
# Work of one bootstrap: rows x repetitions.
_MOST_WORK = 40_000_000
_REPETITIONS = (50, 300)


@dataclass(frozen=True, slots=True)
class Figure:
    """A value with the ends of its bootstrap 95% interval; NaN where it can't be told."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Quality:
    """What is said about predictions of `rows` rows with `outcomes` outcomes.

    `auc` in [0, 1]; `log_loss` in nats; `normalized_entropy` is the log loss over the entropy of
    the base rate (He et al., "Practical lessons from predicting clicks on ads", ADKDD 2014), 1
    for the best constant; `ratio` is predicted over actual outcomes, 1 where calibrated.
    """

    rows: int
    outcomes: int
    auc: Figure
    log_loss: Figure
    normalized_entropy: Figure
    ratio: Figure


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """Predictions beside what happened: all float64[n]; `weights` are impressions per row."""

    outcomes: Floats
    predicted: Floats
    weights: Floats

    def take(self, chosen: Flags) -> "Judged":
        """The chosen rows."""
        return Judged(self.outcomes[chosen], self.predicted[chosen], self.weights[chosen])


def quality_of(rows: Judged, *, seed: int = 1) -> Quality:
    """Every figure with its interval, by a Poisson bootstrap over rows."""
    measure = _measure_of(rows)
    values = measure(rows.weights)
    drawn = _bootstrap(rows.weights, measure, seed)
    low, high = _ends(drawn)
    figures = [Figure(*each) for each in zip(values, low, high, strict=True)]
    return Quality(len(rows.outcomes), int((rows.outcomes > 0).sum()), *figures)


def entropy(rate: float) -> float:
    """Of a yes that happens at `rate`, in nats; NaN at 0 and 1, where nothing is to be told."""
    if not 0 < rate < 1:
        return float("nan")
    return float(-(rate * np.log(rate) + (1 - rate) * np.log1p(-rate)))


def row_losses(rows: Judged) -> Floats:
    """Each row's log loss in nats, float64[n], unweighted."""
    p = np.clip(rows.predicted, _LEAST, 1 - _LEAST)
    losses: Floats = -(rows.outcomes * np.log(p) + (1 - rows.outcomes) * np.log1p(-p))
    return losses


def normalized_entropy_of(rows: Judged) -> float:
    """The figure alone, without an interval."""
    return float(_measure_of(rows)(rows.weights)[2])


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of like predictions: mean predicted and actual rate, and impressions behind them."""

    predicted: float
    actual: float
    rows: int
    impressions: float


def reliability(rows: Judged, bins: int = 20) -> list[Bin]:
    """Rows by predicted rate, cut so that each bin is predicted the same number of outcomes."""
    order = np.argsort(rows.predicted, kind="stable")
    expected = (rows.predicted * rows.weights)[order]
    share = np.cumsum(expected) / max(expected.sum(), _LEAST)
    place = np.minimum((share * bins).astype(np.int64), bins - 1)
    found = []
    for number in np.unique(place):
        mine = order[place == number]
        weight = rows.weights[mine]
        impressions = float(weight.sum())
        found.append(
            Bin(
                float((rows.predicted[mine] * weight).sum() / impressions),
                float((rows.outcomes[mine] * weight).sum() / impressions),
                len(mine),
                impressions,
            )
        )
    return found


def figure_names() -> tuple[str, ...]:
    """The names of the figures, in order."""
    return tuple(f.name for f in fields(Quality) if f.type is Figure or f.type == "Figure")


def _measure_of(rows: Judged) -> Callable[[Floats], Floats]:
    """Weights float64[n] -> [AUC, log loss, normalized entropy, ratio]."""
    _, tie = np.unique(rows.predicted, return_inverse=True)
    losses = row_losses(rows)
    ties = int(tie.max()) + 1 if len(tie) else 0

    def measure(weights: Floats) -> Floats:
        total = weights.sum()
        happened = float((weights * rows.outcomes).sum())
        if total <= 0:
            return np.full(4, np.nan)
        loss = float((weights * losses).sum() / total)
        h = entropy(happened / total)
        expected = float((weights * rows.predicted).sum())
        ratio = expected / happened if happened > 0 else np.nan
        return np.array([_auc(rows.outcomes, weights, tie, ties), loss, loss / h, ratio])

    return measure


def _auc(outcomes: Floats, weights: Floats, tie: NDArray[np.intp], ties: int) -> float:
    """Share of (outcome, none) pairs in the right order, ties half; weighted."""
    yes = np.bincount(tie, weights * outcomes, minlength=ties)
    no = np.bincount(tie, weights * (1 - outcomes), minlength=ties)
    pairs = yes.sum() * no.sum()
    if pairs <= 0:
        return float("nan")
    below = np.cumsum(no) - no
    return float((yes * (below + 0.5 * no)).sum() / pairs)


def _bootstrap(weights: Floats, measure: Callable[[Floats], Floats], seed: int) -> Floats:
    fewest, most = _REPETITIONS
    repetitions = int(np.clip(_MOST_WORK // max(len(weights), 1), fewest, most))
    rng = np.random.default_rng(seed)
    drawn = [measure(weights * rng.poisson(1.0, len(weights))) for _ in range(repetitions)]
    return np.array(drawn)


def _ends(drawn: Floats) -> tuple[Floats, Floats]:
    known = ~np.isnan(drawn).all(axis=0)
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
    return low, high
