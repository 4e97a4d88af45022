"""Events and decisions for tests, with the fewest words."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from bidding.decision_ids import decision_id
from bidding.events import Context, DecisionTerms, Event, EventType, ServedBid
from bidding.pricing import PricingModel

NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
HERE = Context(slot_id=7, brand_id=3, device_type="mobile", creative_type="banner")


def an_id(number: int = 1, at: datetime = NOW) -> UUID:
    """The id of a decision made at `at`."""
    return decision_id(at, number.to_bytes(10, "big"))


def a_bid(**changes: Any) -> ServedBid:
    fields: dict[str, Any] = {
        "bid_id": "b1",
        "brand_id": 3,
        "creative_type": "banner",
        "pricing_model": PricingModel.CPC,
        "price": Decimal("0.5"),
    }
    return ServedBid(**fields | changes)


def terms(**changes: Any) -> DecisionTerms:
    """A logged decision that the bid `b1` won."""
    fields: dict[str, Any] = {
        "decision_id": an_id(),
        "slot_id": 7,
        "device_type": "mobile",
        "winner": a_bid(),
    }
    return DecisionTerms(**fields | changes)


def an_event(type_: str = "impression", **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "event_id": f"{type_}-1",
        "type": EventType(type_),
        "occurred_at": NOW - timedelta(minutes=1),
        "decision_id": an_id(),
    }
    return Event(**fields | changes)
