"""Canned bundles, filled in for the catalogue at hand.

`slot_rank` and `brand_rank` stand for the nth busiest slot and brand of this installation, from 1;
where it has fewer, they begin again. Bundles that name slots and brands of their own are as given.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bidding.errors import NotFound
from stores.busiest import Busiest
from stores.settings import PROJECT_ROOT

BUNDLES = PROJECT_ROOT / "configs" / "golden_bundles.json"


@dataclass(frozen=True, slots=True)
class Canned:
    """One bundle: the body of a request, and what it is called."""

    name: str
    request: dict[str, Any]


def read_canned(path: Path, busiest: Busiest) -> list[Canned]:
    """Raises `NotFound` where the catalogue has no slot or brand to stand in."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return [_filled(bundle, busiest) for bundle in document["bundles"]]


def _filled(bundle: dict[str, Any], busiest: Busiest) -> Canned:
    request = _ranked(bundle["request"], "slot", busiest.slot_ids)
    bids = [_ranked(bid, "brand", busiest.brand_ids) for bid in request["bids"]]
    return Canned(bundle["name"], request | {"bids": bids})


def _ranked(fields: dict[str, Any], noun: str, ids: Sequence[int]) -> dict[str, Any]:
    rank = fields.get(f"{noun}_rank")
    if rank is None:
        return fields
    if not ids:
        raise NotFound(f"the catalogue has no {noun} that could stand in a canned bundle")
    others = {name: value for name, value in fields.items() if name != f"{noun}_rank"}
    return {f"{noun}_id": ids[(rank - 1) % len(ids)]} | others
