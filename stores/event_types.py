"""What the stores of events take and give."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from bidding.events import Event


@dataclass(frozen=True, slots=True)
class Totals:
    """The sums of `performance`."""

    impressions: int = 0
    clicks: int = 0
    conversions: int = 0
    revenue: Decimal = Decimal(0)


class EventWriter(Protocol):
    """Where events are kept before they are counted."""

    async def record(self, events: Sequence[Event]) -> set[str]:
        """Keep those events whose `event_id` was never seen; answers their ids, once committed.

        All or none. Raises `StoreUnavailable`, after which it is not known whether they were
        kept (sending them again is safe), and `InvalidRequest` for what can't be kept.
        """
        ...


class Rollup(Protocol):
    """Turns kept events into counts. Every call may raise `StoreUnavailable`."""

    async def advance(self) -> int:
        """Count one batch, exactly once; how many events it had (0: nothing was due)."""
        ...

    async def refresh(self) -> int:
        """Tell caches and replicas of what was counted; how many slots that were."""
        ...

    async def backlog(self) -> int:
        """Events that are kept and not looked at yet."""
        ...
