"""Which events count, and where: `performance` as a function of the events alone.

For each decision and bid, the first impression, the first click and the first conversion
count, all in the hour of the impression; a click counts once its impression is there, a
conversion once its click counts. So clicks <= impressions and conversions <= clicks hold in
every cell, and the counts do not depend on the order in which events arrive.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from uuid import UUID

from bidding.events import Context, EventType, Resolved

_NOTHING = Decimal(0)
_PLACE = {type_: place for place, type_ in enumerate(EventType)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of `performance`."""

    context: Context
    hour_at: datetime


@dataclass(frozen=True, slots=True)
class Counts:
    """What a cell holds, or how it changes. Counts and revenue never fall."""

    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    revenue: Decimal = _NOTHING

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.impressions + other.impressions,
            self.clicks + other.clicks,
            self.conversions + other.conversions,
            self.revenue + other.revenue,
        )

    def __sub__(self, other: "Counts") -> "Counts":
        return Counts(
            self.impressions - other.impressions,
            self.clicks - other.clicks,
            self.conversions - other.conversions,
            self.revenue - other.revenue,
        )


_NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True)
class Step:
    """The first event of one type for a decision and bid."""

    event_id: str
    occurred_at: datetime
    revenue: Decimal = _NOTHING


@dataclass(frozen=True, slots=True)
class OutcomeKey:
    """One decision's bid: what an impression is of."""

    decision_id: UUID
    bid_id: str


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one decision's bid so far. The impression's context is the one that counts."""

    key: OutcomeKey
    context: Context
    simulated: bool = False
    impression: Step | None = None
    click: Step | None = None
    conversion: Step | None = None

    @property
    def counted(self) -> tuple[Step, ...]:
        """The steps that count: without gaps from the impression on."""
        steps: list[Step] = []
        for step in (self.impression, self.click, self.conversion):
            if step is None:
                break
            steps.append(step)
        return tuple(steps)

    @property
    def orphans(self) -> tuple[Step, ...]:
        """The steps that wait for an earlier one: those beyond the first gap."""
        if self.impression is not None and self.click is not None:
            return ()
        later = (self.conversion,) if self.impression is not None else (self.click, self.conversion)
        return tuple(step for step in later if step is not None)

    @property
    def counts(self) -> Counts:
        """What this outcome adds to its cell."""
        steps = self.counted
        if not steps:
            return _NO_COUNTS
        revenue = steps[0].revenue
        for step in steps[1:]:
            revenue += step.revenue
        return Counts(1, int(len(steps) > 1), int(len(steps) > 2), revenue)

    @property
    def cell(self) -> Cell | None:
        """Where it counts; `None` before its impression."""
        if self.impression is None:
            return None
        return Cell(self.context, hour_of(self.impression.occurred_at))

    def step(self, type_: EventType) -> Step | None:
        """Its event of one type."""
        return (self.impression, self.click, self.conversion)[_PLACE[type_]]

    def after(self, resolved: Resolved) -> "Outcome":
        """The outcome once this event has come; itself when it already had one of that type."""
        event = resolved.event
        if self.step(event.type) is not None or resolved.context is None:
            return self
        step = Step(event.event_id, event.occurred_at, resolved.revenue)
        key, context, simulated = self.key, self.context, self.simulated or resolved.simulated
        if event.type is EventType.IMPRESSION:
            context = resolved.context
            return Outcome(key, context, simulated, step, self.click, self.conversion)
        if event.type is EventType.CLICK:
            return Outcome(key, context, simulated, self.impression, step, self.conversion)
        return Outcome(key, context, simulated, self.impression, self.click, step)


@dataclass(frozen=True, slots=True)
class Keyless:
    """Events of one cell that name no decision, so that no click can be matched to its impression.

    They count in their own hour, as far as clicks <= impressions and conversions <= clicks.
    """

    seen: Counts = Counts()

    @property
    def counts(self) -> Counts:
        clicks = min(self.seen.clicks, self.seen.impressions)
        conversions = min(self.seen.conversions, clicks)
        return Counts(self.seen.impressions, clicks, conversions, self.seen.revenue)

    def after(self, resolved: Resolved) -> "Keyless":
        """The counts once this event has come."""
        type_ = resolved.event.type
        came = Counts(
            impressions=int(type_ is EventType.IMPRESSION),
            clicks=int(type_ is EventType.CLICK),
            conversions=int(type_ is EventType.CONVERSION),
            revenue=resolved.revenue,
        )
        return Keyless(self.seen + came)


def hour_of(at: datetime) -> datetime:
    """The hour that `at` (UTC) lies in."""
    return at.replace(minute=0, second=0, microsecond=0)


def in_order(events: Iterable[Resolved]) -> list[Resolved]:
    """Events of one batch as they happened, so that few look like orphans."""
    return sorted(
        events,
        key=lambda r: (r.event.occurred_at, _PLACE[r.event.type], r.event.event_id),
    )
