"""Why a bid is worth what it is worth: factors whose product is its VPI."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from bidding.evaluate import Evaluation
from bidding.pricing import Floats, PricingModel
from bidding.reasons import Reason

# exp(80) is beyond any effect a model can mean; the rest absorbs what is cut.
_LARGEST_LOG_ODDS = 80.0


class FactorGroup(IntEnum):
    """What the context is told apart by. The numbers are columns of `Contributions`."""

    PLACEMENT = 0
    PARTNER = 1
    DEVICE = 2
    CREATIVE = 3
    HOUR = 4


@dataclass(frozen=True, slots=True)
class Estimate:
    """A rate in [0, 1] with the 95% interval of its posterior."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Contributions:
    """What the models and the history say about a bundle's n bids, beside `Odds`.

    `ctr_log_odds`, `cvr_log_odds` float64[n, 5]: XGBoost's `pred_contribs` (in log-odds)
    summed per `FactorGroup`; zeros where no model answered. `ctr_interval`,
    `cvr_interval` float64[n, 2]: low and high ends of the posteriors' 95% intervals.
    """

    ctr_log_odds: Floats
    cvr_log_odds: Floats
    ctr_interval: Floats
    cvr_interval: Floats


@dataclass(frozen=True, slots=True)
class Explanation:
    """One bid's value, taken apart.

    `factors` multiply to `vpi`: `base_value`, then the quality multiplier in its six parts
    (`breakdown`), `multiplier` and `cap` (1 where the bid is not capped). `breakdown`
    multiplies to `quality_factor` ** `quality_exponent`, the quality factor itself where
    the exponent is 1. `cvr` bears on the value only under CPA and CPA_PERCENT.
    """

    bid_id: str
    pricing_model: PricingModel
    vpi: float
    base_value: float
    ctr: Estimate
    cvr: Estimate
    quality_factor: float
    quality_exponent: float
    quality_defaulted: bool
    breakdown: Mapping[str, float]
    multiplier: float
    cap: float
    min_vpi: float
    max_vpi: float
    rank: int
    reason: Reason

    @property
    def factors(self) -> dict[str, float]:
        """Every factor by name, in the order they are applied."""
        applied = {"base_value": self.base_value, **self.breakdown}
        return {**applied, "multiplier": self.multiplier, "cap": self.cap}


def no_contributions(n: int, ctr_interval: Floats, cvr_interval: Floats) -> Contributions:
    """The contributions of no model: the whole quality factor (1) is left to `rest`."""
    nothing = np.zeros((n, len(FactorGroup)))
    return Contributions(nothing, nothing, ctr_interval, cvr_interval)


def explain(evaluation: Evaluation, index: int, contributions: Contributions) -> Explanation:
    """The factors of one bid.

    A group's factor is exp(contribution * exponent): for rare clicks, odds are rates. What
    that leaves over, and every other feature, is in `rest`, so the product is exact.
    """
    odds = evaluation.odds
    return Explanation(
        bid_id=evaluation.bids.bid_ids[index],
        pricing_model=PricingModel(evaluation.bids.pricing_models.item(index)),
        vpi=evaluation.vpi.item(index),
        base_value=evaluation.base_value.item(index),
        ctr=_estimate(odds.ctr, contributions.ctr_interval, index),
        cvr=_estimate(odds.cvr, contributions.cvr_interval, index),
        quality_factor=evaluation.quality_factor.item(index),
        quality_exponent=evaluation.quality_exponent.item(index),
        quality_defaulted=evaluation.quality_defaulted.item(index),
        breakdown=dict(_breakdown(evaluation, index, contributions)),
        multiplier=evaluation.multiplier.item(index),
        cap=_cap(evaluation, index),
        min_vpi=evaluation.min_vpi.item(index),
        max_vpi=evaluation.max_vpi.item(index),
        rank=evaluation.rank.item(index),
        reason=Reason(evaluation.reason.item(index)),
    )


def _estimate(means: Floats, interval: Floats, index: int) -> Estimate:
    return Estimate(means.item(index), interval.item(index, 0), interval.item(index, 1))


def _cap(evaluation: Evaluation, index: int) -> float:
    if not evaluation.capped[index]:
        return 1.0
    return evaluation.vpi.item(index) / evaluation.uncapped_vpi.item(index)


def _breakdown(
    evaluation: Evaluation, index: int, contributions: Contributions
) -> Iterator[tuple[str, float]]:
    rest = evaluation.quality_multiplier.item(index)
    for group, factor in zip(FactorGroup, _groups(evaluation, index, contributions), strict=True):
        yield group.name.lower(), factor
        rest /= factor
    yield "rest", rest


def _groups(evaluation: Evaluation, index: int, contributions: Contributions) -> list[float]:
    """Each group's factor, 1 where the model gave nothing usable."""
    if evaluation.quality_defaulted.item(index):
        return [1.0] * len(FactorGroup)
    log_odds = contributions.ctr_log_odds[index]
    if evaluation.bids.pricing_models.item(index) >= PricingModel.CPA:
        log_odds = log_odds + contributions.cvr_log_odds[index]
    exponent = evaluation.quality_exponent.item(index)
    return [_factor(value * exponent) for value in log_odds.tolist()]


def _factor(log_odds: float) -> float:
    if not math.isfinite(log_odds):
        return 1.0
    return math.exp(max(-_LARGEST_LOG_ODDS, min(log_odds, _LARGEST_LOG_ODDS)))
