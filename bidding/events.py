"""Events: what an ad server reports of a decision, and what each report is worth.

An event's context (slot, brand, device, creative) comes from its logged decision; where none
was logged, the event carries it in full.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from uuid import UUID

from bidding.pricing import PricingModel

LATEST_ARRIVAL = timedelta(days=30)
CLOCK_SKEW = timedelta(hours=1)
# Billionths: the thousandth part of any CPM price with six decimals, exactly.
REVENUE_UNIT = Decimal("1e-9")
_NOTHING = Decimal(0)


class EventType(StrEnum):
    """In the order in which they happen."""

    IMPRESSION = "impression"
    CLICK = "click"
    CONVERSION = "conversion"


class Rejection(StrEnum):
    """Why an event is not taken. Ad servers count these: names never change meaning."""

    TOO_OLD = "too_old"
    IN_FUTURE = "in_future"
    NO_CONTEXT = "no_context"
    UNKNOWN_SLOT = "unknown_slot"
    UNKNOWN_BRAND = "unknown_brand"
    UNKNOWN_BID = "unknown_bid"


class Flag(StrEnum):
    """What is special about a kept event. `PENDING` and `ORPHAN` go when what is missing comes."""

    PENDING = "pending"
    """Its decision is not in the log (yet)."""
    ORPHAN = "orphan"
    """A click before its impression, or a conversion before its click: kept, not counted yet."""
    REPEAT = "repeat"
    """Not the first of its type for this decision and bid: kept, never counted."""
    UNCOUNTED = "uncounted"
    """Its decision never came, or its slot or brand is gone: kept, never counted."""


@dataclass(frozen=True, slots=True)
class Context:
    """Where and for whom an impression was: a `performance` row without its hour."""

    slot_id: int
    brand_id: int
    device_type: str = ""
    creative_type: str = ""


@dataclass(frozen=True, slots=True)
class Event:
    """One report. `value` (>= 0) is money; on a conversion of a logged decision, order value."""

    event_id: str
    type: EventType
    occurred_at: datetime
    decision_id: UUID | None = None
    bid_id: str | None = None
    value: Decimal | None = None
    context: Context | None = None
    simulated: bool = False


@dataclass(frozen=True, slots=True)
class ServedBid:
    """A bid as its decision logged it. `price` is in the bid's own pricing model."""

    bid_id: str
    brand_id: int
    creative_type: str
    pricing_model: PricingModel
    price: Decimal


@dataclass(frozen=True, slots=True)
class DecisionTerms:
    """What the log says of a decision, as far as events need it.

    `others` holds bids that did not win, for those events that name one.
    """

    decision_id: UUID
    slot_id: int
    device_type: str
    winner: ServedBid | None
    simulated: bool = False
    others: Mapping[str, ServedBid] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Resolved:
    """An event with its context. `pending`: its decision is not in the log; `context` is then
    what the event gave, or `None` where it gave none. `revenue` is what it earned if counted.
    """

    event: Event
    context: Context | None
    bid_id: str
    revenue: Decimal
    pending: bool
    simulated: bool


def check_time(event: Event, now: datetime) -> Rejection | None:
    """Events may be 30 days late and, for clocks that differ, an hour early."""
    if event.occurred_at < now - LATEST_ARRIVAL:
        return Rejection.TOO_OLD
    if event.occurred_at > now + CLOCK_SKEW:
        return Rejection.IN_FUTURE
    return None


def resolve(event: Event, logged: DecisionTerms | None) -> Resolved | Rejection:
    """Give an event its context: the logged decision's, else its own, and its own slot where the
    decision was made without knowing which one it was (0)."""
    if logged is None:
        return _by_itself(event)
    served = _served(event, logged)
    if served is not None:
        slot_id = logged.slot_id or (event.context.slot_id if event.context else 0)
        context = Context(slot_id, served.brand_id, logged.device_type, served.creative_type)
        revenue = earned(event, served)
        simulated = logged.simulated or event.simulated
        return Resolved(event, context, served.bid_id, revenue, False, simulated)
    if event.context is None:
        return Rejection.UNKNOWN_BID
    simulated = logged.simulated or event.simulated
    return Resolved(event, event.context, event.bid_id or "", _value(event), False, simulated)


def earned(event: Event, served: ServedBid) -> Decimal:
    """What an event earns under the deal that won, in money.

    CPM pays at the impression, CPC at the click, CPA at the conversion and CPA_PERCENT its share
    of the order's value. A `value` on an impression or a click is what was really charged.
    """
    if event.type is EventType.CONVERSION:
        return _round(_per_conversion(event, served))
    if event.value is not None:
        return _round(event.value)
    if event.type is EventType.IMPRESSION and served.pricing_model is PricingModel.CPM:
        return _round(served.price / 1000)
    if event.type is EventType.CLICK and served.pricing_model is PricingModel.CPC:
        return _round(served.price)
    return _NOTHING


def _per_conversion(event: Event, served: ServedBid) -> Decimal:
    if served.pricing_model is PricingModel.CPA:
        return served.price
    if served.pricing_model is PricingModel.CPA_PERCENT:
        return served.price * (event.value or _NOTHING)
    return _NOTHING


def _served(event: Event, logged: DecisionTerms) -> ServedBid | None:
    """The bid that was shown: the winner, unless the event names another."""
    winner = logged.winner
    if winner is not None and event.bid_id in (None, "", winner.bid_id):
        return winner
    return logged.others.get(event.bid_id or "")


def _by_itself(event: Event) -> Resolved | Rejection:
    if event.decision_id is None and event.context is None:
        return Rejection.NO_CONTEXT
    pending = event.decision_id is not None
    return Resolved(
        event, event.context, event.bid_id or "", _value(event), pending, event.simulated
    )


def _value(event: Event) -> Decimal:
    return _round(event.value or _NOTHING)


def _round(amount: Decimal) -> Decimal:
    return amount.quantize(REVENUE_UNIT)
