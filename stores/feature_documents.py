"""Slots and rules as the JSON documents that PostgreSQL's rows become and Redis keeps."""

from collections.abc import Mapping
from typing import Any

import asyncpg
import numpy as np
import orjson

from bidding.bundle import AuctionRules, Brand, RuleBook, Strategy, Threshold
from bidding.pricing import PricingModel
from stores.feature_types import (
    Counts,
    PairCounts,
    PartnerFeatures,
    RulesSnapshot,
    SlotFeatures,
    VerticalPrior,
)

_COUNTS = ("impressions", "clicks", "conversions")
_SLOT_FIELDS = (
    "slot_id",
    "external_key",
    "placement_score",
    "floor",
    "vertical",
    "width",
    "height",
    "format",
    "paused",
)


def slot_document(row: asyncpg.Record) -> bytes:
    """A row of `feature_queries.SLOTS` as JSON; the version comes first, as Redis needs it."""
    decayed = {name: sum(row[f"decayed_{name}"] or ()) for name in _COUNTS}
    pairs = {name: row[name] or [] for name in _COUNTS}
    pairs |= {f"decayed_{name}": row[f"decayed_{name}"] or [] for name in _COUNTS}
    return orjson.dumps(
        {
            "version": row["version"],
            **{name: row[name] for name in _SLOT_FIELDS},
            "partner": {
                "partner_id": row["partner_id"],
                "external_key": row["partner_key"],
                "quality": row["quality"],
                "bought_by": row["bought_by"],
                "paused": row["partner_paused"],
            },
            "decayed": decayed,
            "pairs": {"brand_id": row["brand_ids"] or [], **pairs},
        }
    )


def unknown_document(version: int) -> bytes:
    """Says that there is no such slot."""
    return orjson.dumps({"version": version, "unknown": True})


def is_unknown(body: bytes) -> bool:
    return body.endswith(b'"unknown":true}')


# What reading a document of another release may raise: a field more, fewer, or another type.
_OTHER_RELEASE = (KeyError, TypeError, ValueError, AttributeError)


def cached_slot(body: bytes) -> SlotFeatures | None:
    """`read_slot`; `None`, too, for a document that another release wrote in its own way."""
    try:
        return read_slot(body)
    except _OTHER_RELEASE:
        return None


def cached_rules(body: bytes, auction: AuctionRules) -> RulesSnapshot | None:
    """`read_rules`; `None`, too, for a document that another release wrote in its own way."""
    try:
        return read_rules(body, auction)
    except _OTHER_RELEASE:
        return None


def read_slot(body: bytes) -> SlotFeatures | None:
    """The slot of a document; `None` for a mark that says stale or unknown."""
    fields = orjson.loads(body)
    if "slot_id" not in fields:
        return None
    partner = fields["partner"]
    return SlotFeatures(
        **{name: fields[name] for name in _SLOT_FIELDS},
        partner=PartnerFeatures(
            partner_id=partner["partner_id"],
            external_key=partner["external_key"],
            quality=partner["quality"],
            bought_by=_pricing_model(partner["bought_by"]),
            paused=partner["paused"],
        ),
        decayed=Counts(**fields["decayed"]),
        pairs=_read_pairs(fields["pairs"]),
        version=fields["version"],
    )


def rules_document(row: asyncpg.Record) -> bytes:
    """The row of `feature_queries.RULES` as JSON."""
    parts = ",".join(f'"{name}":{row[name]}' for name in ("strategies", "brands", "priors"))
    return f'{{"version":{row["version"]},{parts}}}'.encode()


def read_rules(body: bytes, auction: AuctionRules) -> RulesSnapshot | None:
    """The snapshot of a document; `None` for a mark that says stale."""
    fields = orjson.loads(body)
    if "strategies" not in fields:
        return None
    brands = fields["brands"]
    return RulesSnapshot(
        rules=RuleBook(
            strategies={row["strategy_id"]: Strategy(**row) for row in fields["strategies"]},
            brands={row["brand_id"]: _read_brand(row) for row in brands},
            auction=auction,
            version=fields["version"],
        ),
        brand_ids={row["external_key"]: row["brand_id"] for row in brands},
        brand_counts={
            row["brand_id"]: Counts(*(row[name] for name in _COUNTS))
            for row in brands
            if row["impressions"] is not None
        },
        priors={
            (row.pop("vertical"), row.pop("rate")): VerticalPrior(**row) for row in fields["priors"]
        },
    )


def read_thresholds(stored: Mapping[str, Mapping[str, Any]]) -> dict[PricingModel, Threshold]:
    """`brand.thresholds` as the rules know it."""
    return {
        PricingModel[name]: Threshold(min_vpi=pair.get("min_vpi"), max_vpi=pair.get("max_vpi"))
        for name, pair in stored.items()
    }


def _read_brand(row: Mapping[str, Any]) -> Brand:
    return Brand(
        brand_id=row["brand_id"],
        strategy_id=row["strategy_id"],
        vertical=row["vertical"],
        paused=row["paused"],
        cpa_on_bought_traffic=row["cpa_on_bought_traffic"],
        thresholds=read_thresholds(row["thresholds"]),
    )


def _read_pairs(fields: Mapping[str, list[float]]) -> PairCounts:
    plain = [fields[name] for name in _COUNTS]
    decayed = [fields[f"decayed_{name}"] for name in _COUNTS]
    return PairCounts(
        brand_ids=np.array(fields["brand_id"], np.int64),
        plain=np.array(plain, np.float64),
        decayed=np.array(decayed, np.float64),
    )


def _pricing_model(name: str | None) -> PricingModel | None:
    return None if name is None else PricingModel[name]
