"""Pricing models: what a bid's amount is paid for, and what it is worth per impression."""

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class PricingModel(IntEnum):
    """How a bid pays. Numbers are stable: they are stored and sent between replicas."""

    CPM = 0
    CPC = 1
    CPA = 2
    CPA_PERCENT = 3


# Plain numbers for the hot path: comparing an array with an enum member costs more than the
# comparison itself.
_CPC, _CPA, _CPA_PERCENT = (int(model) for model in list(PricingModel)[1:])


def pays_per_conversion(models: NDArray[np.int8]) -> Flags:
    """Where a bid pays only when the click converts (CPA, CPA_PERCENT), bool[n]."""
    return models >= _CPA


def base_value(
    models: NDArray[np.int8], amounts: Floats, aov: Floats, ctr: Floats, cvr: Floats
) -> Floats:
    """Value per impression before context and strategy, float64[n].

    CPM amount/1000, CPC amount*ctr, CPA amount*ctr*cvr, CPA_PERCENT amount*aov*ctr*cvr
    (`amount` is a share of the order value there): each model adds one factor to the last.
    `ctr`, `cvr` in [0, 1]; `aov` is ignored outside CPA_PERCENT, so it may be NaN there.
    """
    value = amounts / 1000.0
    np.multiply(amounts, ctr, out=value, where=models >= _CPC)
    np.multiply(value, cvr, out=value, where=models >= _CPA)
    np.multiply(value, aov, out=value, where=models == _CPA_PERCENT)
    return value
