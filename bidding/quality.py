"""Quality: what the context of this impression makes of the historical rate."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.bundle import Odds
from bidding.pricing import Flags, Floats, pays_per_conversion


@dataclass(frozen=True, slots=True)
class Quality:
    """`factor` is predicted / posterior, float64[n], finite.

    `defaulted` marks the bids whose quality was not a number or infinite and was
    taken as 1.
    """

    factor: Floats
    defaulted: Flags


def quality_of(models: NDArray[np.int8], odds: Odds) -> Quality:
    """The quality that bears on what each bid pays for.

    CPC: the click's. CPA and CPA_PERCENT: the click's times the conversion's. CPM: the
    click's, for show, as its exponent is 0 by default.
    """
    factor = odds.ctr_quality.copy()
    np.multiply(factor, odds.cvr_quality, out=factor, where=pays_per_conversion(models))
    usable = np.isfinite(factor)
    defaulted = ~usable
    if not usable.all():
        factor[defaulted] = 1.0
    return Quality(factor, defaulted)


def squash(quality: Floats, exponents: Floats) -> Floats:
    """quality ** exponent, float64[n]: 0 ignores quality, 1 takes it in full.

    The "squashing" of sponsored search: Lahaie and Pennock, "Revenue analysis of a family
    of ranking rules for keyword auctions", EC 2007.
    """
    return np.power(quality, exponents)
