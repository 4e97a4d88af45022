"""Bundles for the engine's tests and benchmarks, from plain JSON-like rows.

A case is what a golden file holds: slot, auction, rules, bids, and what is expected.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidding.bundle import (
    AuctionRules,
    AuctionType,
    Bids,
    Brand,
    Odds,
    RuleBook,
    SlotTerms,
    Strategy,
    Threshold,
)
from bidding.evaluate import Evaluation, evaluate_bids
from bidding.pricing import Floats, PricingModel

Row = Mapping[str, Any]
GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Case:
    """One bundle and the rules it meets."""

    name: str
    bids: Bids
    slot: SlotTerms
    odds: Odds
    rules: RuleBook
    auction: AuctionType
    expect: Row

    def evaluate(self) -> Evaluation:
        return evaluate_bids(self.bids, self.slot, self.odds, self.rules, self.auction)


def golden_cases() -> list[Case]:
    """Every case below `tests/golden`, by name."""
    paths = sorted(GOLDEN.glob("*.json"))
    return [case_of(path.stem, json.loads(path.read_text())) for path in paths]


def case_of(name: str, document: Row) -> Case:
    return Case(
        name=name,
        bids=bids_of(document["bids"]),
        slot=slot_of(document.get("slot", {})),
        odds=odds_of(document["bids"]),
        rules=rules_of(document.get("rules", {}), document["bids"]),
        auction=AuctionType(document.get("auction", "first_price")),
        expect=document.get("expect", {}),
    )


def bids_of(rows: Sequence[Row]) -> Bids:
    return Bids(
        bid_ids=[row.get("bid_id", f"b{index + 1}") for index, row in enumerate(rows)],
        brand_ids=np.array([row.get("brand_id", 1) for row in rows], np.int64),
        pricing_models=np.array([PricingModel[_model(row)] for row in rows], np.int8),
        amounts=_column(rows, "amount", 1.0),
        aov=_column(rows, "aov", np.nan),
        min_vpi=_column(rows, "min_vpi", np.nan),
        max_vpi=_column(rows, "max_vpi", np.nan),
    )


def odds_of(rows: Sequence[Row]) -> Odds:
    return Odds(
        ctr=_column(rows, "ctr", 0.01),
        cvr=_column(rows, "cvr", 0.1),
        ctr_quality=_column(rows, "ctr_quality", 1.0),
        cvr_quality=_column(rows, "cvr_quality", 1.0),
    )


def slot_of(row: Row) -> SlotTerms:
    bought_by = row.get("bought_by")
    return SlotTerms(
        slot_id=row.get("slot_id", 1),
        floor=row.get("floor", 0.0),
        paused=row.get("paused", False),
        partner_paused=row.get("partner_paused", False),
        bought_by=None if bought_by is None else PricingModel[bought_by],
    )


def rules_of(row: Row, bids: Sequence[Row]) -> RuleBook:
    """The rule book; without `brands`, every brand that bids is plain and balanced."""
    balanced = [{"strategy_id": 1, "vpi_multiplier": 1.0, "priority": 0}]
    plain = [{"brand_id": i} for i in sorted({bid.get("brand_id", 1) for bid in bids})]
    strategies = [_strategy(s) for s in row.get("strategies", balanced)]
    brands = [_brand(b) for b in row.get("brands", plain)]
    knobs = AuctionRules()
    return RuleBook(
        strategies={strategy.strategy_id: strategy for strategy in strategies},
        brands={brand.brand_id: brand for brand in brands},
        auction=AuctionRules(
            quality_exponents=tuple(row.get("quality_exponents", knobs.quality_exponents)),
            increment=row.get("increment", knobs.increment),
        ),
    )


def random_bundle(n: int, rng: np.random.Generator, brands: int = 50) -> tuple[Bids, Odds]:
    """n plausible bids of every pricing model, each with an order value."""
    models = rng.integers(0, len(PricingModel), n).astype(np.int8)
    scale = np.array([2.0, 0.5, 20.0, 0.1])[models]
    nothing = np.full(n, np.nan)
    bids = Bids(
        bid_ids=[f"bid-{index:05d}" for index in range(n)],
        brand_ids=rng.integers(1, brands + 1, n),
        pricing_models=models,
        amounts=scale * rng.lognormal(0.0, 0.5, n),
        aov=np.full(n, 60.0),
        min_vpi=nothing,
        max_vpi=nothing,
    )
    quality = rng.lognormal(0.0, 0.3, (2, n))
    odds = Odds(rng.beta(3, 97, n), rng.beta(3, 60, n), quality[0], quality[1])
    return bids, odds


def _model(row: Row) -> str:
    return str(row.get("pricing_model", "CPM"))


def _column(rows: Sequence[Row], name: str, absent: float) -> Floats:
    return np.array([row.get(name, absent) for row in rows], np.float64)


def _strategy(row: Row) -> Strategy:
    name = row.get("name", f"strategy {row['strategy_id']}")
    return Strategy(row["strategy_id"], name, row["vpi_multiplier"], row.get("priority", 0))


def _brand(row: Row) -> Brand:
    thresholds = {PricingModel[m]: Threshold(**t) for m, t in row.get("thresholds", {}).items()}
    return Brand(
        brand_id=row["brand_id"],
        strategy_id=row.get("strategy_id", 1),
        paused=row.get("paused", False),
        cpa_on_bought_traffic=row.get("cpa_on_bought_traffic", False),
        thresholds=thresholds,
    )
