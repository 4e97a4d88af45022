"""Pricing models: what a bid's amount is paid for, and what it is worth per impression."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class PricingModel(IntEnum):
    """How a bid pays. Numbers are stable: they are stored and sent between replicas."""

    CPM = 0
    CPC = 1
    CPA = 2
    CPA_PERCENT = 3


def base_value(
    models: NDArray[np.int8], amounts: Floats, aov: Floats, ctr: Floats, cvr: Floats
) -> Floats:
    """Value per impression before context and strategy, float64[n].

    CPM amount/1000, CPC amount*ctr, CPA amount*ctr*cvr, CPA_PERCENT amount*aov*ctr*cvr
    (`amount` is a share of the order value there). `ctr`, `cvr` in [0, 1]; `aov` is
    ignored outside CPA_PERCENT, so it may be NaN there.
    """
    value = amounts / 1000.0
    per_click = amounts * ctr
    value = np.where(models == PricingModel.CPC, per_click, value)
    per_conversion = per_click * cvr
    value = np.where(models == PricingModel.CPA, per_conversion, value)
    return np.where(models == PricingModel.CPA_PERCENT, per_conversion * aov, value)
