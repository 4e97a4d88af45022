"""Logged decisions for tests, made by the engine from the golden bundles or from chance."""

from datetime import datetime
from typing import Any

import numpy as np

from bidding.bundle import AuctionType, Bids, Brand, Odds, RuleBook, SlotTerms, Strategy
from bidding.evaluate import evaluate_bids
from bidding.pricing import PricingModel
from stores.decision_types import Decision
from tests.event_cases import NOW, an_id

STRATEGIES = {1: Strategy(1, "Balanced", 1.0, 10), 2: Strategy(2, "Maximize ROI", 1.25, 50)}


def a_book(brands: int) -> RuleBook:
    """Brands 1 to n, every other one with the better strategy."""
    found = {number: Brand(number, 1 + number % 2) for number in range(1, brands + 1)}
    return RuleBook(STRATEGIES, found, version=3)


def a_bundle(bids: int, seed: int = 1) -> tuple[Bids, Odds]:
    """`bids` bids of as many brands, the last one unknown; every pricing model."""
    rng = np.random.default_rng(seed)
    brand_ids = np.arange(1, bids + 1)
    brand_ids[-1] = 0 if bids > 1 else 1
    models = rng.integers(0, len(PricingModel), bids).astype(np.int8)
    nan = np.full(bids, np.nan)
    return (
        Bids(
            bid_ids=[f"b{number}" for number in range(1, bids + 1)],
            brand_ids=brand_ids,
            pricing_models=models,
            amounts=rng.uniform(0.1, 1.0, bids).round(4),
            aov=np.where(models == PricingModel.CPA_PERCENT, 50.0, np.nan),
            min_vpi=nan,
            max_vpi=nan,
        ),
        Odds(
            ctr=rng.beta(3, 97, bids),
            cvr=rng.beta(2, 20, bids),
            ctr_quality=rng.uniform(0.5, 2, bids),
            cvr_quality=np.ones(bids),
        ),
    )


def a_decision(number: int = 1, at: datetime = NOW, *, bids: int = 5, **changes: Any) -> Decision:
    """A decision on slot 7; `number` and `at` make its id."""
    slot = changes.pop("slot", SlotTerms(slot_id=7, floor=0.05))
    offered, odds = a_bundle(bids, seed=number)
    fields: dict[str, Any] = {
        "decision_id": an_id(number, at),
        "slot": slot,
        "device_type": "mobile",
        "auction": AuctionType.SECOND_PRICE,
        "context": {"browser": "firefox", "segments": ["10063", "news"]},
        "creative_types": [("banner", "video")[index % 2] for index in range(bids)],
        "creatives": [f"c{index}" for index in range(bids)],
        "evaluation": evaluate_bids(offered, slot, odds, a_book(bids), AuctionType.SECOND_PRICE),
        "models": {"ctr": "3", "cvr": None},
    }
    return Decision(**fields | changes)
