"""The rules and the slots last read, as one file: to answer from where a process starts while
both stores are away."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import orjson

from bidding.bundle import AuctionRules, Brand
from stores.feature_documents import cached_rules, cached_slot
from stores.feature_types import PairCounts, RulesSnapshot, SlotFeatures

_COUNTS = ("impressions", "clicks", "conversions")


@dataclass(frozen=True, slots=True)
class LastKnown:
    """`rules` is None where none can be read."""

    rules: RulesSnapshot | None = None
    slots: tuple[SlotFeatures, ...] = ()


def save(path: Path, rules: RulesSnapshot, slots: Sequence[SlotFeatures]) -> None:
    """Replace the file as a whole. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    fields = {"rules": _rules_fields(rules), "slots": [_slot_fields(slot) for slot in slots]}
    written = path.with_name(f"{path.name}.{os.getpid()}")
    written.write_bytes(orjson.dumps(fields))
    written.replace(path)


def load(path: Path, auction: AuctionRules) -> LastKnown:
    """What the file holds; nothing where it is missing, cut off or of another release."""
    try:
        fields = orjson.loads(path.read_bytes())
        rules, slots = orjson.dumps(fields["rules"]), map(orjson.dumps, fields["slots"])
    except (OSError, ValueError, KeyError, TypeError):
        return LastKnown()
    known = (cached_slot(body) for body in slots)
    return LastKnown(cached_rules(rules, auction), tuple(slot for slot in known if slot))


def _rules_fields(snapshot: RulesSnapshot) -> dict[str, Any]:
    brands = snapshot.rules.brands
    return {
        "version": snapshot.version,
        "strategies": [asdict(each) for each in snapshot.rules.strategies.values()],
        "brands": [
            _brand_fields(key, brands[number], snapshot)
            for key, number in snapshot.brand_ids.items()
        ],
        "priors": [
            {"vertical": vertical, "rate": rate, **asdict(prior)}
            for (vertical, rate), prior in snapshot.priors.items()
        ],
    }


def _brand_fields(external_key: str, brand: Brand, snapshot: RulesSnapshot) -> dict[str, Any]:
    counts = snapshot.brand_counts.get(brand.brand_id)
    return {
        "external_key": external_key,
        "brand_id": brand.brand_id,
        "strategy_id": brand.strategy_id,
        "vertical": brand.vertical,
        "paused": brand.paused,
        "cpa_on_bought_traffic": brand.cpa_on_bought_traffic,
        "thresholds": {model.name: asdict(pair) for model, pair in brand.thresholds.items()},
        **{name: getattr(counts, name) if counts else None for name in _COUNTS},
    }


def _slot_fields(slot: SlotFeatures) -> dict[str, Any]:
    bought_by = slot.partner.bought_by
    return {
        "slot_id": slot.slot_id,
        "external_key": slot.external_key,
        "placement_score": slot.placement_score,
        "floor": slot.floor,
        "vertical": slot.vertical,
        "width": slot.width,
        "height": slot.height,
        "format": slot.format,
        "paused": slot.paused,
        "partner": asdict(slot.partner)
        | {"bought_by": None if bought_by is None else bought_by.name},
        "decayed": asdict(slot.decayed),
        "pairs": _pairs_fields(slot.pairs),
        "version": slot.version,
    }


def _pairs_fields(pairs: PairCounts) -> dict[str, Any]:
    fields: dict[str, Any] = {"brand_id": pairs.brand_ids.tolist()}
    for row, name in enumerate(_COUNTS):
        fields[name] = pairs.plain[row].tolist()
        fields[f"decayed_{name}"] = pairs.decayed[row].tolist()
    return fields
