"""Sums for dashboards from PostgreSQL, never from the facts themselves where a total will do."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from stores.metric_types import MOST_GROUPS, STEPS_FROM, WEEKDAYS, MinuteSum, VpiQuery, VpiSum
from stores.postgres import Postgres

_SUMS = ", ".join(
    f"sum({name}) AS {name}" for name in ("impressions", "clicks", "conversions", "revenue")
)
# Our sessions are in UTC (`stores/postgres.py`); saying so in each row would take half the time.
_BUCKETS = {"hour": "date_part('hour', hour_at)::int", "day": "hour_at::date"}
_KEYS = {
    "dow": "date_part('isodow', hour_at)::int - 1",
    "slot": "slot_id",
    "partner": "slot_id",
    "brand": "brand_id",
    "device": "device_type",
}
# group, label, and the join that names the key
_NAMES = {
    "dow": ("key", "key::text", ""),
    "slot": ("key", "n.name", "JOIN slot n ON n.id = key"),
    "partner": (
        "n.id",
        "n.name",
        "JOIN slot s ON s.id = key JOIN partner n ON n.id = s.partner_id",
    ),
    "brand": ("key", "n.name", "JOIN brand n ON n.id = key"),
    "device": ("key", "key", ""),
}
# A minute has dozens of bins: as rows they would take the ingress twice as long as as arrays.
_MINUTES = """
    SELECT measure, at, array_agg(bin ORDER BY bin) AS bins, array_agg(total ORDER BY bin) AS totals
    FROM (
        SELECT measure, date_bin($4, minute_at, $5) AS at, bin,
            sum(total) AS total
        FROM decision_minute
        WHERE measure = ANY($1::text[]) AND minute_at >= $2 AND minute_at < $3
        GROUP BY 1, 2, 3
    ) sums
    GROUP BY 1, 2 ORDER BY 2, 1
"""
UNKNOWN_DEVICE = "unknown"


class PostgresMetrics:
    """`stores.metric_types.Metrics`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def sum_performance(self, query: VpiQuery) -> list[VpiSum]:
        statement, arguments = vpi_statement(query)
        rows = await self._postgres.fetch(statement, *arguments)
        return [
            VpiSum(
                bucket=row["bucket"] if query.granularity == "hour" else str(row["bucket"]),
                group=row["grp"],
                label=label_of(query.group_by, row["label"]),
                impressions=int(row["impressions"]),
                clicks=int(row["clicks"]),
                conversions=int(row["conversions"]),
                revenue=row["revenue"],
            )
            for row in rows
        ]

    async def sum_decisions(
        self, measures: tuple[str, ...], since: datetime, until: datetime, step: timedelta
    ) -> list[MinuteSum]:
        rows = await self._postgres.fetch(_MINUTES, list(measures), since, until, step, STEPS_FROM)
        return [
            MinuteSum(measure, at, bin_, total)
            for measure, at, bins, found in rows
            for bin_, total in zip(bins, found, strict=True)
        ]


def source_of(query: VpiQuery) -> str:
    """The smallest table that can answer: only slots crossed with brands need the facts.

    There are fewer brands than slots, as a rule.
    """
    by_slot = query.group_by in ("slot", "partner") or query.slot_id or query.partner_id
    by_brand = query.group_by == "brand" or query.brand_id
    if by_slot and by_brand:
        return "performance"
    return "slot_hour" if by_slot else "brand_hour"


def vpi_statement(query: VpiQuery) -> tuple[str, list[Any]]:
    """The statement of one grid: only what is asked for stands in it."""
    arguments: list[Any] = []

    def value(given: Any) -> str:
        arguments.append(given)
        return f"${len(arguments)}"

    group, label, names = _NAMES[query.group_by]
    statement = f"""
        WITH sums AS (
            SELECT {_BUCKETS[query.granularity]} AS bucket, {_KEYS[query.group_by]} AS key, {_SUMS}
            FROM {source_of(query)} WHERE {_tests(query, value)} GROUP BY 1, 2
        ), named AS (
            SELECT bucket, {group} AS grp, {label} AS label, {_SUMS}
            FROM sums {names} GROUP BY 1, 2, 3
        ), busiest AS (
            SELECT grp FROM named GROUP BY grp
            ORDER BY sum(impressions) DESC, grp LIMIT {value(MOST_GROUPS)}
        )
        SELECT * FROM named JOIN busiest USING (grp) WHERE impressions > 0 ORDER BY bucket, grp
    """  # noqa: S608 (names of this module and numbered parameters only)
    return statement, arguments


def label_of(group_by: str, label: str) -> str:
    """What people call the group."""
    if group_by == "dow":
        return WEEKDAYS[int(label)]
    return label or UNKNOWN_DEVICE


def _tests(query: VpiQuery, value: Callable[[Any], str]) -> str:
    tests = [f"hour_at >= {value(query.since)}", f"hour_at < {value(query.until)}"]
    for column in ("slot_id", "brand_id", "device_type"):
        given = getattr(query, column)
        if given is not None:
            tests.append(f"{column} = {value(given)}")
    if query.partner_id is not None:
        of_partner = "SELECT id FROM slot WHERE partner_id = "
        tests.append(f"slot_id = ANY(ARRAY({of_partner}{value(query.partner_id)}))")
    return " AND ".join(tests)
