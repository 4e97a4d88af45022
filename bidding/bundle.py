"""What `evaluate_bids` reads: the bids, the slot, the odds and the rules, all as plain values."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from bidding.pricing import Floats, PricingModel


class AuctionType(StrEnum):
    """Who pays what: the winner's own bid, or the smallest that still wins."""

    FIRST_PRICE = "first_price"
    SECOND_PRICE = "second_price"


@dataclass(frozen=True, slots=True)
class Bids:
    """One bundle's bids, column by column, n rows each.

    `brand_ids` int64, 0 where the brand is unknown; `aov`, `min_vpi`, `max_vpi` are NaN
    where the bid gives none; amounts are >= 0 and finite.
    """

    bid_ids: Sequence[str]
    brand_ids: NDArray[np.int64]
    pricing_models: NDArray[np.int8]
    amounts: Floats
    aov: Floats
    min_vpi: Floats
    max_vpi: Floats

    def __len__(self) -> int:
        return len(self.bid_ids)


@dataclass(frozen=True, slots=True)
class SlotTerms:
    """The slot as the rules see it; `floor` is per 1,000 impressions (CPM), as in OpenRTB.

    `bought_by` is how its traffic is paid for: CPM or CPC puts the risk of a CPA bid on us,
    `None` (a share of revenue) does not.
    """

    slot_id: int
    floor: float = 0.0
    paused: bool = False
    partner_paused: bool = False
    bought_by: PricingModel | None = None


@dataclass(frozen=True, slots=True)
class Odds:
    """Click and conversion odds of each bid, float64[n] in [0, 1].

    `ctr`, `cvr` are the posterior means (the history); `ctr_quality`, `cvr_quality` are
    predicted / posterior (the context), 1.0 where no model answered.
    """

    ctr: Floats
    cvr: Floats
    ctr_quality: Floats
    cvr_quality: Floats


@dataclass(frozen=True, slots=True)
class Strategy:
    """A named row of `brand_strategy`; `vpi_multiplier` in (0, 10], higher `priority` wins ties."""

    strategy_id: int
    name: str
    vpi_multiplier: float
    priority: int


@dataclass(frozen=True, slots=True)
class Threshold:
    """A brand's default `min_vpi`/`max_vpi` for one pricing model, used when the bid gives none."""

    min_vpi: float | None = None
    max_vpi: float | None = None


@dataclass(frozen=True, slots=True)
class Brand:
    """The advertiser as the rules see it.

    `cpa_on_bought_traffic`: whether a CPA payout may bid for a slot whose traffic is bought
    by CPM or CPC (off by default).
    """

    brand_id: int
    strategy_id: int
    vertical: str = ""
    paused: bool = False
    cpa_on_bought_traffic: bool = False
    thresholds: Mapping[PricingModel, Threshold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuctionRules:
    """The knobs of `configs/`: quality exponents per pricing model and the second-price increment.

    `quality_exponents[m]` is the "squashing" exponent for pricing model `m`; 0 ignores quality.
    `increment` is per 1,000 impressions (CPM).
    """

    quality_exponents: tuple[float, float, float, float] = (0.0, 1.0, 1.0, 1.0)
    increment: float = 0.01


@dataclass(frozen=True, slots=True)
class RuleBook:
    """What ops can change, at one moment. Replaced whole, never edited: a bundle reads one."""

    strategies: Mapping[int, Strategy]
    brands: Mapping[int, Brand]
    auction: AuctionRules = AuctionRules()
    version: int = 0
