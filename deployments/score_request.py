"""The body of `POST /api/score`: its schema, its checks, and its columns.

Decoded once, by msgspec, straight from the request's bytes; the same structs give the
OpenAPI schema, so what is documented is what is checked.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, Struct

from bidding.bundle import AuctionType, Bids
from bidding.errors import InvalidRequest, TooLarge
from bidding.pricing import Floats, PricingModel
from deployments import json_body
from deployments.json_body import MAX_BODY_BYTES as MAX_BODY_BYTES
from deployments.json_body import wrong

MAX_BIDS = 1_000
LARGEST_AMOUNT = 1e9

Amount = Annotated[
    float,
    Meta(ge=0, le=LARGEST_AMOUNT, description="CPM per 1,000 impressions, CPC per click, ..."),
]
Value = Annotated[float, Meta(ge=0, le=LARGEST_AMOUNT, description="Value per impression")]
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Key = Annotated[str, Meta(min_length=1, max_length=256)]
Label = Annotated[str, Meta(max_length=256)]
PricingName = Literal["CPM", "CPC", "CPA", "CPA_PERCENT"]


class BidIn(Struct, forbid_unknown_fields=True, gc=False):
    """What a brand offers for one impression. Give `brand_id` (ours) or `brand` (yours)."""

    bid_id: Key
    pricing_model: PricingName
    amount: Amount
    brand_id: Id | None = None
    brand: Key | None = None
    creative_type: Label = ""
    creative: Label = ""
    aov: Annotated[float, Meta(gt=0, le=LARGEST_AMOUNT)] | None = None
    min_vpi: Value | None = None
    max_vpi: Value | None = None


class ScoreRequest(Struct, forbid_unknown_fields=True, dict=True):
    """One impression of a slot and the bids for it. Give `slot_id` (ours) or `slot` (yours)."""

    bids: Annotated[list[BidIn], Meta(min_length=1, description=f"At most {MAX_BIDS}")]
    slot_id: Id | None = None
    slot: Key | None = None
    device_type: Label = ""
    browser: Label = ""
    region: Label = ""
    city: Label = ""
    site: Label = ""
    timestamp: datetime | None = None
    segments: Annotated[list[Label], Meta(max_length=1_000)] = msgspec.field(default_factory=list)
    auction: Literal["first_price", "second_price"] = "first_price"
    tmax_ms: Annotated[float, Meta(ge=1, le=10_000)] = 25.0
    explain: bool = False

    @cached_property
    def creative_types(self) -> list[str]:
        """Each bid's."""
        return [bid.creative_type for bid in self.bids]

    @cached_property
    def creatives(self) -> list[str]:
        """Each bid's."""
        return [bid.creative for bid in self.bids]

    @property
    def slot_key(self) -> int | str:
        """The slot as the client named it."""
        return self.slot_id if self.slot_id is not None else self.slot or ""

    @property
    def auction_type(self) -> AuctionType:
        return AuctionType(self.auction)

    def at(self, now: datetime) -> datetime:
        """When the impression happens, in UTC; a timestamp without a zone is taken as UTC.

        Raises `InvalidRequest` where its zone carries it out of the years 1 to 9999.
        """
        if self.timestamp is None:
            return now
        if self.timestamp.tzinfo is None:
            return self.timestamp.replace(tzinfo=UTC)
        try:
            return self.timestamp.astimezone(UTC)
        except OverflowError:
            raise wrong("timestamp", "lies outside the years 1 to 9999 in UTC") from None


_decoder = msgspec.json.Decoder(ScoreRequest)


def decode(body: bytes) -> ScoreRequest:
    """Parse and check a body.

    Raises `TooLarge` above 1 MiB or 1,000 bids, `InvalidRequest` naming the field otherwise.
    """
    request = json_body.decode(_decoder, body)
    _check(request)
    if request.timestamp is not None:
        request.at(request.timestamp)
    return request


def _check(request: ScoreRequest) -> None:
    bids = request.bids
    if len(bids) > MAX_BIDS:
        raise TooLarge(f"bids: {len(bids)} bids; a bundle has at most {MAX_BIDS}")
    if (request.slot_id is None) == (request.slot is None):
        raise wrong("slot_id", "give exactly one of `slot_id` (our id) and `slot` (your key)")
    if len({bid.bid_id for bid in bids}) != len(bids):
        raise _duplicate(bids)
    for index, bid in enumerate(bids):
        if (bid.brand_id is None) == (bid.brand is None):
            problem = "give exactly one of `brand_id` (our id) and `brand` (your key)"
            raise wrong(f"bids[{index}].brand_id", problem)
        if bid.pricing_model == "CPA_PERCENT":
            _check_share(index, bid)
        if bid.min_vpi is not None and bid.max_vpi is not None and bid.min_vpi > bid.max_vpi:
            raise wrong(f"bids[{index}].min_vpi", "is above `max_vpi`; give min <= max")


def _check_share(index: int, bid: BidIn) -> None:
    if bid.aov is None:
        raise wrong(f"bids[{index}].aov", "CPA_PERCENT needs `aov`, the average order value")
    if bid.amount > 1:
        raise wrong(f"bids[{index}].amount", "CPA_PERCENT takes a share of the order, 0 to 1")


def _duplicate(bids: Sequence[BidIn]) -> InvalidRequest:
    seen: set[str] = set()
    for index, bid in enumerate(bids):
        if bid.bid_id in seen:
            return wrong(f"bids[{index}].bid_id", f"`{bid.bid_id}` is used twice in this bundle")
        seen.add(bid.bid_id)
    raise AssertionError("called without a duplicate")


_PRICING_NUMBER = {model.name: int(model) for model in PricingModel}


def to_bids(bids: Sequence[BidIn], brand_ids: Sequence[int]) -> Bids:
    """The bids as columns; `brand_ids[i]` is our id for bid i, 0 where there is none."""
    return Bids(
        bid_ids=[bid.bid_id for bid in bids],
        brand_ids=np.array(brand_ids, np.int64),
        pricing_models=np.array([_PRICING_NUMBER[bid.pricing_model] for bid in bids], np.int8),
        amounts=np.array([bid.amount for bid in bids], np.float64),
        aov=_floats([bid.aov for bid in bids]),
        min_vpi=_floats([bid.min_vpi for bid in bids]),
        max_vpi=_floats([bid.max_vpi for bid in bids]),
    )


def _floats(values: list[float | None]) -> Floats:
    """NaN where there is none; most bundles give none at all."""
    if values.count(None) == len(values):
        return np.full(len(values), np.nan)
    return np.array(values, np.float64)
