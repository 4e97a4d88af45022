"""Logged decisions as JSON: the shapes of `GET /api/decisions`."""

from datetime import datetime
from typing import Any, Literal

import numpy as np
from msgspec import Struct

from bidding.pricing import PricingModel, base_value
from bidding.quality import quality_of, squash
from bidding.reasons import Reason
from deployments.score_answer import Versions
from stores.decision_columns import LoggedBids
from stores.decision_types import LoggedDecision

AuctionName = Literal["first_price", "second_price"]


class DecisionSummary(Struct):
    """One decision without its bids; `bids` counts them."""

    decision_id: str
    decided_at: datetime
    slot_id: int
    device_type: str
    auction: AuctionName
    winner_bid_id: str | None
    winner_brand_id: int | None
    winner_vpi: float | None
    models: Versions
    degraded: list[str]
    simulated: bool
    bids: int


class DecisionPage(Struct):
    """Newest first. `before` = the last decision's id gives the next page."""

    items: list[DecisionSummary]


class DecisionBid(Struct):
    """One bid with what its value was made of; null where it could not be valued.

    `min_vpi` and `max_vpi` are the bid's own, as they were sent; null where it gave none.
    """

    bid_id: str
    brand_id: int | None
    pricing_model: Literal["CPM", "CPC", "CPA", "CPA_PERCENT"]
    amount: float
    aov: float | None
    min_vpi: float | None
    max_vpi: float | None
    creative_type: str
    rank: int | None
    vpi: float | None
    base_value: float | None
    ctr: float | None
    cvr: float | None
    quality_factor: float | None
    quality_multiplier: float | None
    vpi_multiplier: float | None
    reason: str | None
    reason_code: int
    capped: bool


class Decision(Struct):
    """One decision. `results` is empty where the log no longer has, or never had, its bids."""

    decision_id: str
    decided_at: datetime
    slot_id: int
    device_type: str
    auction: AuctionName
    winner_bid_id: str | None
    winner_brand_id: int | None
    winner_vpi: float | None
    models: Versions
    degraded: list[str]
    simulated: bool
    context: dict[str, Any]
    results: list[DecisionBid]


def summary_of(decision: LoggedDecision) -> DecisionSummary:
    """A line of the list."""
    return DecisionSummary(**_head(decision), bids=decision.bid_count)


def decision_of(decision: LoggedDecision) -> Decision:
    """The whole of it, ranked bids first."""
    context = {"device_type": decision.device_type, "floor": decision.floor, **decision.context}
    bids = [] if decision.bids is None else _bids(decision.bids)
    return Decision(**_head(decision), context=context, results=bids)


def _head(decision: LoggedDecision) -> dict[str, Any]:
    winner = decision.winner
    return {
        "decision_id": str(decision.decision_id),
        "decided_at": decision.decided_at,
        "slot_id": decision.slot_id,
        "device_type": decision.device_type,
        "auction": str(decision.auction),
        "winner_bid_id": None if winner is None else winner.bid_id,
        "winner_brand_id": None if winner is None else winner.brand_id,
        "winner_vpi": None if winner is None else winner.vpi,
        "models": Versions(decision.models.get("ctr"), decision.models.get("cvr")),
        "degraded": list(decision.degraded),
        "simulated": decision.simulated,
    }


def _bids(logged: LoggedBids) -> list[DecisionBid]:
    bids, odds = logged.bids, logged.odds
    with np.errstate(over="ignore", invalid="ignore"):
        base = base_value(bids.pricing_models, bids.amounts, bids.aov, odds.ctr, odds.cvr)
        quality = quality_of(bids.pricing_models, odds).factor
        multiplied = squash(quality, logged.quality_exponent)
        capped = base * multiplied * logged.multiplier > logged.max_vpi
    order = np.lexsort((np.arange(len(logged.rank)), logged.rank, logged.rank == 0))
    return [
        DecisionBid(
            bid_id=bids.bid_ids[i],
            brand_id=int(bids.brand_ids[i]) or None,
            pricing_model=PricingModel(int(bids.pricing_models[i])).name,  # type: ignore[arg-type]
            amount=float(bids.amounts[i]),
            aov=_number(bids.aov[i]),
            min_vpi=_number(bids.min_vpi[i]),
            max_vpi=_number(bids.max_vpi[i]),
            creative_type=logged.creative_types[i],
            rank=int(logged.rank[i]) or None,
            vpi=_number(logged.vpi[i]),
            base_value=_number(base[i]),
            ctr=_number(odds.ctr[i]),
            cvr=_number(odds.cvr[i]),
            quality_factor=_number(quality[i]),
            quality_multiplier=_number(multiplied[i]),
            vpi_multiplier=_number(logged.multiplier[i]),
            reason=None if logged.reason[i] == Reason.WON else Reason(int(logged.reason[i])).name,
            reason_code=int(logged.reason[i]),
            capped=bool(capped[i]),
        )
        for i in order.tolist()
    ]


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
