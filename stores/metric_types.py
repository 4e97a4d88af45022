"""What dashboards ask of performance and of the decision log, summed."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Literal, NamedTuple, Protocol

Granularity = Literal["hour", "day"]
GroupBy = Literal["dow", "slot", "partner", "brand", "device"]
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
# Steps of time are counted from here.
STEPS_FROM = datetime(2000, 1, 1, tzinfo=UTC)
# A heat map has no use for more rows than this: the busiest are answered.
MOST_GROUPS = 200


@dataclass(frozen=True, slots=True)
class VpiQuery:
    """Which performance to sum: from `since` on and before `until`, whole hours in UTC.

    By hour of the day (0-23) or by day, and by group.
    """

    since: datetime
    until: datetime
    granularity: Granularity = "hour"
    group_by: GroupBy = "dow"
    slot_id: int | None = None
    brand_id: int | None = None
    partner_id: int | None = None
    device_type: str | None = None


@dataclass(frozen=True, slots=True)
class VpiSum:
    """One cell: `bucket` is an hour of the day or an ISO date, `group` an id, a weekday from
    Monday (0) or a device type. `impressions` is at least 1."""

    bucket: int | str
    group: int | str
    label: str
    impressions: int
    clicks: int
    conversions: int
    revenue: Decimal


class MinuteSum(NamedTuple):
    """The sum of a measure of `stores.decision_totals` over one step of time."""

    measure: str
    at: datetime
    bin: int
    total: float


class Metrics(Protocol):
    """Both calls may raise `StoreUnavailable`."""

    async def sum_performance(self, query: VpiQuery) -> list[VpiSum]:
        """The cells of the `MOST_GROUPS` groups with the most impressions."""
        ...

    async def sum_decisions(
        self, measures: tuple[str, ...], since: datetime, until: datetime, step: timedelta
    ) -> list[MinuteSum]:
        """Measures of logged decisions in steps of time, the oldest first."""
        ...
