"""The body of `POST /api/events` and its answer: their schemas and checks."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from bidding.errors import TooLarge
from bidding.events import Event, EventType, Rejection
from deployments import json_body
from deployments.json_body import wrong

MAX_EVENTS = 1_000
LARGEST_VALUE = 1e12

EventId = Annotated[str, Meta(min_length=1, max_length=200, description="Yours; taken once")]
Key = Annotated[str, Meta(min_length=1, max_length=256)]  # as long as in /api/score
Id = Annotated[int, Meta(ge=1, le=2**63 - 1)]
Label = Annotated[str, Meta(max_length=256)]
Money = Annotated[
    float,
    Meta(
        ge=0,
        le=LARGEST_VALUE,
        description="On a conversion the order's value, else what was charged; six decimals",
    ),
]
_CENTS = Decimal("0.000001")


class ContextIn(Struct, forbid_unknown_fields=True):
    """Where an event was, for one whose decision we never logged. Ours or your ids, as in score."""

    slot_id: Id | None = None
    slot: Key | None = None
    brand_id: Id | None = None
    brand: Key | None = None
    device_type: Label = ""
    creative_type: Label = ""


class EventIn(Struct, forbid_unknown_fields=True):
    """One report. Give the `decision_id` that was answered, or the whole `context`, or both.

    `bid_id` is needed only where another bid than the winner was shown.
    """

    event_id: EventId
    type: Literal["impression", "click", "conversion"]
    occurred_at: datetime
    decision_id: UUID | None = None
    bid_id: Key | None = None
    value: Money | None = None
    context: ContextIn | None = None
    simulated: bool = False


class EventsRequest(Struct, forbid_unknown_fields=True):
    """Up to 1,000 events, in any order."""

    events: Annotated[list[EventIn], Meta(min_length=1, description=f"At most {MAX_EVENTS}")]


class RejectedEvent(Struct):
    """An event that will never be taken, and why: sending it again is of no use."""

    index: int
    event_id: str
    reason: Literal["too_old", "in_future", "unknown_slot", "unknown_brand"]


class EventsAnswer(Struct):
    """What became of the events, once they are committed."""

    accepted: int
    duplicates: int
    rejected: list[RejectedEvent]


_decoder = msgspec.json.Decoder(EventsRequest)
encode = msgspec.json.Encoder().encode


def decode(body: bytes) -> list[EventIn]:
    """Parse and check a body.

    Raises `TooLarge` above 1 MiB or 1,000 events, `InvalidRequest` naming the field otherwise.
    """
    events = json_body.decode(_decoder, body).events
    if len(events) > MAX_EVENTS:
        raise TooLarge(f"events: {len(events)} events; a call takes at most {MAX_EVENTS}")
    for index, event in enumerate(events):
        _check(index, event)
    return events


def to_event(given: EventIn) -> Event:
    """The event without its context, whose keys are yet to be looked up."""
    return Event(
        event_id=given.event_id,
        type=EventType(given.type),
        occurred_at=_utc(given.occurred_at),
        decision_id=given.decision_id,
        bid_id=given.bid_id,
        value=None if given.value is None else Decimal(repr(given.value)).quantize(_CENTS),
        simulated=given.simulated,
    )


def answer(
    events: Sequence[EventIn], fresh: set[str], rejected: Sequence[tuple[int, Rejection]]
) -> bytes:
    """The answer's JSON. `fresh` are ids that nobody sent before."""
    found = EventsAnswer(
        accepted=len(fresh),
        duplicates=len(events) - len(fresh) - len(rejected),
        rejected=[
            RejectedEvent(index, events[index].event_id, reason.value)  # type: ignore[arg-type]
            for index, reason in rejected
        ],
    )
    return encode(found)


def _check(index: int, event: EventIn) -> None:
    where = f"events[{index}]"
    context = event.context
    if context is None:
        if event.decision_id is None:
            raise wrong(f"{where}.decision_id", "give `decision_id`, or the whole `context`")
        return
    for name in ("slot", "brand"):
        if (getattr(context, name) is None) == (getattr(context, f"{name}_id") is None):
            problem = f"give exactly one of `{name}_id` (our id) and `{name}` (your key)"
            raise wrong(f"{where}.context.{name}_id", problem)


def _utc(at: datetime) -> datetime:
    """A time without a zone is taken as UTC; one beyond the calendar as its edge."""
    if at.tzinfo is None:
        return at.replace(tzinfo=UTC)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        return at.replace(tzinfo=UTC)
