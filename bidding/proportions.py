"""How far a rate may be from what was counted."""

import numpy as np

from bidding.pricing import Floats

_Z_95 = 1.959963984540054


def wilson_interval(successes: Floats, trials: Floats) -> tuple[Floats, Floats]:
    """The 95% score interval of each rate, float64[n] within [0, 1]; 0 to 1 without trials.

    Wilson, "Probable inference", JASA 1927; for why this one: Brown, Cai and DasGupta,
    "Interval estimation for a binomial proportion", Statistical Science 2001.
    """
    n = np.maximum(trials, 1.0)
    rate = np.minimum(successes / n, 1.0)
    spread = _Z_95 * np.sqrt(rate * (1 - rate) / n + (_Z_95 / (2 * n)) ** 2)
    centre, scale = rate + _Z_95**2 / (2 * n), 1 + _Z_95**2 / n
    low, high = np.maximum((centre - spread) / scale, 0.0), np.minimum((centre + spread) / scale, 1)
    counted = trials > 0
    return np.where(counted, low, 0.0), np.where(counted, high, 1.0)
