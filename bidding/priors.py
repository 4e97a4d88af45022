"""Priors fitted to history (empirical Bayes).

The mean is the pooled rate and the concentration the beta-binomial likelihood's maximum at that
mean: with thinned logs, whose impressions are known only in steps of the sampling weight, the
free maximum would take the steps for real differences of rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit, logit

from bidding.posterior import Prior
from bidding.pricing import Floats

_LEAST_PAIRS = 2
_Z95 = 1.959964
# A prior is worth between a hundredth of a success and this many.
_LEAST_WORTH, _MOST_WORTH = 0.01, 1_000.0


@dataclass(frozen=True, slots=True)
class PriorFit:
    """A fitted prior, its mean with a 95% interval (all in (0, 1)), and how many pairs spoke."""

    prior: Prior
    mean: float
    low: float
    high: float
    pairs: int


def fit_prior(successes: Floats, trials: Floats) -> PriorFit | None:
    """The prior of pairs with `successes` of `trials`, float64[n] each; None without any success.

    The interval of the mean takes whole pairs as the sampled unit (a cluster-robust standard
    error, in log-odds), so that pairs of unlike rates widen it. Beta-binomial likelihood:
    Griffiths, Biometrics 29 (1973).
    """
    used = trials > 0
    n = trials[used]
    s = np.minimum(successes[used], n)
    total, hits = float(n.sum()), float(s.sum())
    if hits <= 0 or hits >= total or len(n) < _LEAST_PAIRS:
        return None
    mean = hits / total
    worth = _best_worth(s, n, mean)
    low, high = _interval(s, n, mean)
    return PriorFit(Prior(worth, worth / mean), mean, low, high, len(n))


def fit_priors(
    successes: Floats, trials: Floats, verticals: Sequence[str], *, least_successes: float = 50.0
) -> dict[str, PriorFit]:
    """A prior per vertical with enough successes, and one over all under the name ""."""
    names: NDArray[np.str_] = np.array(verticals, dtype=np.str_)
    found: dict[str, PriorFit] = {}
    overall = fit_prior(successes, trials)
    if overall is not None:
        found[""] = overall
    for vertical in sorted(set(names.tolist()) - {""}):
        mine = names == vertical
        if successes[mine].sum() >= least_successes:
            fitted = fit_prior(successes[mine], trials[mine])
            if fitted is not None:
                found[vertical] = fitted
    return found


def _best_worth(successes: Floats, trials: Floats, mean: float) -> float:
    """How many successes the prior is worth, by the beta-binomial likelihood at `mean`."""

    def unlikeliness(log_worth: float) -> float:
        a = float(np.exp(log_worth))
        b = a / mean - a
        terms = betaln(successes + a, trials - successes + b) - betaln(a, b)
        return -float(terms.sum())

    bounds = (float(np.log(_LEAST_WORTH)), float(np.log(_MOST_WORTH)))
    return float(np.exp(minimize_scalar(unlikeliness, bounds=bounds, method="bounded").x))


def _interval(successes: Floats, trials: Floats, mean: float) -> tuple[float, float]:
    residuals = successes - mean * trials
    spread = float(np.sqrt((residuals**2).sum())) / float(trials.sum())
    half = _Z95 * spread / (mean * (1 - mean))
    center = float(logit(mean))
    low, high = (float(expit(center + sign * half)) for sign in (-1.0, 1.0))
    return min(low, mean), max(high, mean)
