"""Beta posteriors of slot x brand rates: a rare pair borrows from its slot and its brand.

Slot and brand are each shrunk to the prior; the pair is shrunk to what both together say,
added in log-odds. Shrinkage is given in expected successes, not in trials, so that one setting
serves a click rate of 3% and one of 0.07% alike (Gelman et al., Bayesian Data Analysis, 5.3).
With no history at all the posterior is the prior itself, and it moves away continuously.
Training and serving call the same function.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaincinv, expit, logit

from bidding.pricing import Floats

_LEAST_RATE = 1e-7


@dataclass(frozen=True, slots=True)
class Prior:
    """A beta prior: `successes` of `trials` never seen. 3 clicks of 100 impressions by default."""

    successes: float = 3.0
    trials: float = 100.0

    @property
    def mean(self) -> float:
        """The rate before any history, in (0, 1)."""
        return min(max(self.successes / self.trials, _LEAST_RATE), 1 - _LEAST_RATE)


@dataclass(frozen=True, slots=True)
class Shrinkage:
    """How many expected successes of its prior each level is worth."""

    slot: float = 0.75
    brand: float = 7.5
    pair: float = 2.25


@dataclass(frozen=True, slots=True)
class History:
    """Successes and trials of n pairs, and of their slots and brands, float64[n] or scalars.

    Clicks and impressions for CTR, conversions and clicks for CVR; successes above their
    trials (late events) are read as equal to them.
    """

    pair_successes: Floats
    pair_trials: Floats
    slot_successes: Floats
    slot_trials: Floats
    brand_successes: Floats
    brand_trials: Floats


@dataclass(frozen=True, slots=True)
class Posterior:
    """Beta(`alpha`, `beta`) of n pairs, and the means of their slots and brands, float64[n]."""

    alpha: Floats
    beta: Floats
    slot_mean: Floats
    brand_mean: Floats

    @property
    def mean(self) -> Floats:
        """The posterior mean, in (0, 1)."""
        return np.clip(self.alpha / (self.alpha + self.beta), _LEAST_RATE, 1 - _LEAST_RATE)

    def take(self, rows: NDArray[np.intp]) -> "Posterior":
        """The pairs of these rows."""
        return Posterior(
            self.alpha.take(rows),
            self.beta.take(rows),
            self.slot_mean.take(rows),
            self.brand_mean.take(rows),
        )

    def interval(self, share: float = 0.95) -> tuple[Floats, Floats]:
        """The ends of the central interval that holds `share` of the posterior."""
        tail = (1 - share) / 2
        low, high = (betaincinv(self.alpha, self.beta, end) for end in (tail, 1 - tail))
        return low, high


def pair_posterior(history: History, prior: Prior, shrinkage: Shrinkage) -> Posterior:
    """The posterior of each pair.

    `alpha = successes + k * m`, `beta = failures + k * (1 - m)`, where m adds what slot and
    brand say to the prior in log-odds. k is the prior's own strength while slot and brand are
    unknown, and turns into that of `shrinkage.pair` successes at the prior as they become known:
    by ratios, since a fitted strength may be hundreds of successes.
    """
    g = prior.mean
    slot = _shrunk(history.slot_successes, history.slot_trials, g, shrinkage.slot)
    brand = _shrunk(history.brand_successes, history.brand_trials, g, shrinkage.brand)
    expected = expit(logit(slot) + logit(brand) - logit(g))
    trials = np.maximum(history.pair_trials, 0.0)
    successes = np.clip(history.pair_successes, 0.0, trials)
    unknown = _unknown(history.slot_trials, g, shrinkage.slot)
    unknown = unknown * _unknown(history.brand_trials, g, shrinkage.brand)
    k = shrinkage.pair * (prior.successes / shrinkage.pair) ** unknown / g
    alpha = successes + k * expected
    beta = trials - successes + k * (1 - expected)
    return Posterior(alpha, beta, np.broadcast_to(slot, alpha.shape), brand)


def _unknown(trials: Floats, g: float, worth: float) -> Floats:
    """How much of a level's rate is still the prior's: 1 without trials, towards 0 with many."""
    return worth / (np.maximum(trials, 0.0) * g + worth)


def _shrunk(successes: Floats, trials: Floats, g: float, worth: float) -> Floats:
    trials = np.maximum(trials, 0.0)
    k = worth / g
    rate = (np.clip(successes, 0.0, trials) + k * g) / (trials + k)
    return np.clip(rate, _LEAST_RATE, 1 - _LEAST_RATE)
