"""Sums as JSON: the shapes of `GET /api/metrics/...`."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Literal

import numpy as np
from msgspec import Struct

from bidding.proportions import wilson_interval
from bidding.reasons import Reason
from deployments.score_answer import Versions
from stores import decision_totals as totals
from stores.metric_types import Granularity, MinuteSum, VpiQuery, VpiSum

REASON_NUMBERS = {reason.value: reason.name for reason in Reason}


class VpiCell(Struct):
    """`bucket` is an hour of the day in UTC, or a date; `ctr_low` to `ctr_high` holds 95%."""

    bucket: int | str
    group: int | str
    label: str
    impressions: int
    clicks: int
    conversions: int
    revenue: float
    vpi: float
    ctr: float
    ctr_low: float
    ctr_high: float
    cvr: float | None


class VpiGrid(Struct):
    """Value per impression (revenue / impressions) by bucket and group."""

    granularity: Granularity
    group_by: str
    cells: list[VpiCell]


class ReasonCell(Struct):
    """How many bids got this verdict in the hour or day that starts at `bucket`."""

    bucket: datetime
    reason: str
    reason_code: int
    bids: int


class Reasons(Struct):
    cells: list[ReasonCell]


class OverviewNow(Struct):
    """The last one to two minutes; null where nothing was decided."""

    requests_per_s: float
    p95_ms: float | None
    win_rate: float | None
    vpi: float | None
    degraded_share: float | None
    models: Versions


class OverviewPoint(Struct):
    """One step of time that starts at `at`."""

    at: datetime
    requests_per_s: float
    p95_ms: float | None
    win_rate: float | None
    vpi: float | None
    degraded_share: float | None


class Banner(Struct):
    """What somebody should look at now."""

    kind: Literal["degraded", "rollback", "refused"]
    text: str
    at: datetime


class Overview(Struct):
    """How things were at `at`, by the service's clock: the last step of `series` may still run."""

    at: datetime
    now: OverviewNow
    series: list[OverviewPoint]
    banners: list[Banner]


def grid_of(query: VpiQuery, sums: Sequence[VpiSum]) -> VpiGrid:
    """The heat map's cells."""
    clicks = np.array([cell.clicks for cell in sums], np.float64)
    impressions = np.array([cell.impressions for cell in sums], np.float64)
    low, high = wilson_interval(clicks, impressions)
    cells = [
        VpiCell(
            bucket=cell.bucket,
            group=cell.group,
            label=cell.label,
            impressions=cell.impressions,
            clicks=cell.clicks,
            conversions=cell.conversions,
            revenue=float(cell.revenue),
            vpi=float(cell.revenue) / cell.impressions,
            ctr=cell.clicks / cell.impressions,
            ctr_low=least,
            ctr_high=most,
            cvr=cell.conversions / cell.clicks if cell.clicks else None,
        )
        for cell, least, most in zip(sums, low.tolist(), high.tolist(), strict=True)
    ]
    return VpiGrid(query.granularity, query.group_by, cells)


def reasons_of(sums: Iterable[MinuteSum]) -> Reasons:
    """Bids by reason; the winner's is `WON`."""
    return Reasons(
        [
            ReasonCell(each.at, REASON_NUMBERS[each.bin], each.bin, round(each.total))
            for each in sums
            if each.bin in REASON_NUMBERS
        ]
    )


def point_of(at: datetime, seconds: float, sums: Iterable[MinuteSum]) -> OverviewPoint:
    """What the sums of one step of time, `seconds` long, say."""
    flat: dict[str, float] = {}
    took: dict[int, float] = {}
    for each in sums:
        if each.measure == totals.TOOK:
            took[each.bin] = took.get(each.bin, 0.0) + each.total
        else:
            flat[each.measure] = flat.get(each.measure, 0.0) + each.total
    decisions, won = flat.get(totals.DECISIONS, 0.0), flat.get(totals.WON, 0.0)
    return OverviewPoint(
        at=at,
        requests_per_s=decisions / seconds,
        p95_ms=totals.took_quantile(took, 0.95),
        win_rate=_share(won, decisions),
        vpi=_share(flat.get(totals.WINNERS_VPI, 0.0), won),
        degraded_share=_share(flat.get(totals.DEGRADED, 0.0), decisions),
    )


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None
