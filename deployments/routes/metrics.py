"""`GET /api/metrics/...`: value by time and group, bids by reason, and the state of now."""

from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from deployments import openapi
from deployments.access import Access
from deployments.banners import degraded_banner, refused_banners, rollback_banners
from deployments.json_body import wrong
from deployments.lately import LatelyBy
from deployments.metric_shapes import (
    Banner,
    Overview,
    OverviewNow,
    OverviewPoint,
    Reasons,
    VpiGrid,
    grid_of,
    point_of,
    reasons_of,
)
from deployments.model_view import Reports
from deployments.score_answer import Versions
from stores import decision_totals as totals
from stores.metric_types import (
    STEPS_FROM,
    Granularity,
    GroupBy,
    Metrics,
    MinuteSum,
    VpiQuery,
)
from stores.model_changes import ModelChanges
from stores.model_registry import CHAMPION
from stores.promotion import MODELS

VALUE_DAYS = 28
REASON_HOURS = 24
LONGEST_SPAN = timedelta(days=370)
# Seconds for which people who look at the same thing share an answer: sums grow once a second.
KEPT_S = 1.0
# An overview has about this many points at most.
POINTS = 180
# Minutes that its "now" is taken from, the running one and the last whole one.
LATELY = 2
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
MEASURES = (totals.DECISIONS, totals.WON, totals.WINNERS_VPI, totals.DEGRADED, totals.TOOK)
Readiness = Callable[[], dict[str, Any]]
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
_encode = msgspec.json.Encoder().encode


def _written_out(value: object) -> object:
    """Pydantic also reads seconds since 1970, which no document promises."""
    if isinstance(value, str) and "T" not in value.upper():
        raise ValueError("must be a date and time (RFC 3339)")
    return value


Moment = Annotated[AwareDatetime, BeforeValidator(_written_out)]


class SpanQuery(BaseModel):
    """From `from` on and before `to`, in whole hours of UTC."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)

    since: Moment | None = Field(default=None, alias="from")
    until: Moment | None = Field(default=None, alias="to")
    granularity: Granularity = "hour"

    def span(self, now: datetime, default: timedelta) -> tuple[datetime, datetime]:
        """Whole hours that cover it. Raises `InvalidRequest` for one that is empty or too long."""
        until = _utc("to", self.until) or now
        try:
            since = _utc("from", self.since) or until - default
            end = _whole_hours(until)
        except OverflowError:
            raise wrong("to", "is beyond the calendar") from None
        if not timedelta(0) < until - since <= LONGEST_SPAN:
            raise wrong("from", f"must be before `to`, by {LONGEST_SPAN.days} days at most")
        return since.replace(minute=0, second=0, microsecond=0), end


class VpiGridQuery(SpanQuery):
    """Which performance to sum."""

    group_by: GroupBy = "dow"
    slot_id: Id | None = None
    brand_id: Id | None = None
    partner_id: Id | None = None
    device_type: Annotated[str, Field(max_length=256, pattern=r"^[^\x00]*$")] | None = None


class OverviewQuery(BaseModel):
    """How far back the series goes."""

    model_config = ConfigDict(extra="forbid")

    minutes: int = Field(default=60, ge=1, le=7 * 24 * 60)


def build(
    metrics: Metrics,
    changes: ModelChanges,
    readiness: Readiness,
    reports: Reports,
    access: Access,
    kept_s: float = KEPT_S,
) -> APIRouter:
    """The router of the sums; `reports` are what the scoring replicas say of themselves.

    For `kept_s` an answer is everybody's who looks at the same thing.
    """

    async def write_grid(asked: VpiQuery) -> bytes:
        return _encode(grid_of(asked, await metrics.sum_performance(asked)))

    async def write_overview(minutes: int) -> bytes:
        now = datetime.now(UTC)
        step = MINUTE * max(1, -(-minutes // POINTS))
        since = now - minutes * MINUTE
        since -= (since - STEPS_FROM) % step  # a point's rate is over a whole step
        sums = await metrics.sum_decisions(MEASURES, since, now, step)
        last = sums
        if step > MINUTE or minutes < LATELY:
            last = await metrics.sum_decisions(MEASURES, now - LATELY * MINUTE, now, MINUTE)
        newest = [found for name in MODELS for found in await changes.fetch(name, CHAMPION, 1)]
        state = readiness()
        banners = [
            *degraded_banner(state["degraded"], now),
            *refused_banners(await reports(), now),
            *rollback_banners(newest, now),
        ]
        return _encode(overview_of(now, step, sums, last, state["models"], banners))

    grids, overviews = LatelyBy(write_grid, kept_s), LatelyBy(write_overview, kept_s)
    router = APIRouter(
        prefix="/api/metrics", tags=["metrics"], dependencies=[access.require("view")]
    )
    errors = openapi.errors(401, 403, 422, 503)

    @router.get(
        "/vpi",
        operation_id="get_vpi",
        response_class=Response,
        responses={200: openapi.answer(VpiGrid, "The busiest 200 groups"), **errors},
    )
    async def get_vpi(query: Annotated[VpiGridQuery, Query()]) -> Response:
        """Value per impression by hour of the day, or by day, and by group; 28 days by default."""
        since, until = query.span(datetime.now(UTC), VALUE_DAYS * DAY)
        asked = VpiQuery(
            since,
            until,
            query.granularity,
            query.group_by,
            query.slot_id,
            query.brand_id,
            query.partner_id,
            query.device_type,
        )
        return _json(await grids(asked))

    @router.get(
        "/reasons",
        operation_id="get_reasons",
        response_class=Response,
        responses={200: openapi.answer(Reasons, "The oldest first"), **errors},
    )
    async def get_reasons(query: Annotated[SpanQuery, Query()]) -> Response:
        """How many bids won, and how many did not for which reason; 24 hours by default."""
        since, until = query.span(datetime.now(UTC), REASON_HOURS * HOUR)
        step = HOUR if query.granularity == "hour" else DAY
        found = await metrics.sum_decisions((totals.REASON,), since, until, step)
        return _json(_encode(reasons_of(found)))

    @router.get(
        "/overview",
        operation_id="get_overview",
        response_class=Response,
        responses={200: openapi.answer(Overview, "The last minutes"), **errors},
    )
    async def get_overview(query: Annotated[OverviewQuery, Query()]) -> Response:
        """What the service does now, and did lately, by its decision log."""
        return _json(await overviews(query.minutes))

    return router


def overview_of(
    now: datetime,
    step: timedelta,
    sums: list[MinuteSum],
    last: list[MinuteSum],
    models: dict[str, str | None],
    banners: list[Banner],
) -> Overview:
    """From sums by step of time; `last` are by minute and reach back two of them or more."""
    by_step: dict[datetime, list[MinuteSum]] = defaultdict(list)
    for each in sums:
        by_step[each.at].append(each)
    series = [
        point_of(at, min(step, now - at).total_seconds() or 1.0, found)
        for at, found in sorted(by_step.items())
    ]
    first = now.replace(second=0, microsecond=0) - MINUTE
    newest = [each for each in last if each.at >= first]
    lately = point_of(first, (now - first).total_seconds(), newest)
    return Overview(now, _now(lately, models), series, banners)


def _now(point: OverviewPoint, models: dict[str, str | None]) -> OverviewNow:
    return OverviewNow(
        point.requests_per_s,
        point.p95_ms,
        point.win_rate,
        point.vpi,
        point.degraded_share,
        Versions(models["ctr"], models["cvr"]),
    )


def _whole_hours(until: datetime) -> datetime:
    hour = until.replace(minute=0, second=0, microsecond=0)
    return hour if hour == until else hour + HOUR


def _utc(name: str, at: datetime | None) -> datetime | None:
    if at is None:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError:
        raise wrong(name, "is beyond the calendar") from None


def _json(found: bytes) -> Response:
    return Response(found, media_type="application/json")
