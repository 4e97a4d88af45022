"""The in-memory twin of `stores.metrics.PostgresMetrics`."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from bidding.attribution import Cell, Counts
from stores.memory_decisions import MemoryDecisions
from stores.metric_types import MOST_GROUPS, STEPS_FROM, MinuteSum, VpiQuery, VpiSum
from stores.metrics import label_of

Group = tuple[int | str, str]


@dataclass
class MemoryMetrics:
    """Over `performance` cells and a `MemoryDecisions`; `partners` says whose each slot is."""

    performance: Mapping[Cell, Counts]
    decisions: MemoryDecisions
    slots: Mapping[int, str] = field(default_factory=dict)
    brands: Mapping[int, str] = field(default_factory=dict)
    partners: Mapping[int, str] = field(default_factory=dict)
    partner_of: Mapping[int, int] = field(default_factory=dict)

    async def sum_performance(self, query: VpiQuery) -> list[VpiSum]:
        sums: dict[tuple[int | str, Group], Counts] = defaultdict(Counts)
        busy: Counter[Group] = Counter()
        for cell, counts in self.performance.items():
            if self._fits(query, cell):
                group = self._group(query, cell)
                sums[_bucket(query, cell.hour_at), group] += counts
                busy[group] += counts.impressions
        shown = {group for group, _ in busy.most_common(MOST_GROUPS)}
        found = [
            VpiSum(bucket, *group, c.impressions, c.clicks, c.conversions, c.revenue)
            for (bucket, group), c in sums.items()
            if group in shown and c.impressions
        ]
        return sorted(found, key=lambda cell: (cell.bucket, cell.group))

    async def sum_decisions(
        self, measures: tuple[str, ...], since: datetime, until: datetime, step: timedelta
    ) -> list[MinuteSum]:
        sums: Counter[tuple[datetime, str, int]] = Counter()
        for (measure, minute, number), total in self.decisions.minutes.items():
            if measure in measures and since <= minute < until:
                at = STEPS_FROM + (minute - STEPS_FROM) // step * step
                sums[at, measure, number] += total
        return [
            MinuteSum(measure, at, number, float(total))
            for (at, measure, number), total in sorted(sums.items())
        ]

    def _fits(self, query: VpiQuery, cell: Cell) -> bool:
        context = cell.context
        return (
            query.since <= cell.hour_at < query.until
            and query.slot_id in (None, context.slot_id)
            and query.brand_id in (None, context.brand_id)
            and query.device_type in (None, context.device_type)
            and query.partner_id in (None, self.partner_of.get(context.slot_id))
        )

    def _group(self, query: VpiQuery, cell: Cell) -> Group:
        context, by = cell.context, query.group_by
        if by == "dow":
            day = cell.hour_at.weekday()
            return day, label_of(by, str(day))
        if by == "slot":
            return context.slot_id, self.slots[context.slot_id]
        if by == "brand":
            return context.brand_id, self.brands[context.brand_id]
        if by == "partner":
            partner = self.partner_of[context.slot_id]
            return partner, self.partners[partner]
        return context.device_type, label_of(by, context.device_type)


def _bucket(query: VpiQuery, hour_at: datetime) -> int | str:
    at = hour_at.astimezone(UTC)
    return at.hour if query.granularity == "hour" else at.date().isoformat()
