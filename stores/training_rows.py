"""Impressions to learn from or to be judged on, as frames of `COLUMNS`.

From PostgreSQL (imported logs and reports) or straight from a log file; `stores/outcomes.py` has
what this service decided. `row_key` tells rows apart for ever; `weight` says how many impressions
a row stands for; `times` how often the row happened; `converted` is null where that is not known.
Weekdays count from Monday (0).
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import psycopg

from stores.database_url import plain_url
from stores.demo import DEMO_SLOT
from stores.importing.ipinyou import read_ipinyou
from stores.simulated import PREFIX

CHUNK_ROWS = 50_000
COLUMNS: dict[str, type[pl.DataType] | pl.DataType] = {
    "row_key": pl.Int64,
    "source": pl.Int64,
    "clicked": pl.Boolean,
    "converted": pl.Boolean,
    "weight": pl.Float64,
    "times": pl.Float64,
    "occurred_at": pl.Datetime("us", "UTC"),
    "slot": pl.String,
    "brand": pl.String,
    "vertical": pl.String,
    "partner": pl.String,
    "partner_quality": pl.Float64,
    "placement_score": pl.Float64,
    "width": pl.Float64,
    "height": pl.Float64,
    "format": pl.String,
    "device_type": pl.String,
    "browser": pl.String,
    "region": pl.String,
    "city": pl.String,
    "site": pl.String,
    "creative": pl.String,
    "creative_type": pl.String,
    "segments": pl.List(pl.String),
    "market_price": pl.Float64,
    "floor": pl.Float64,
    "hour_of_day": pl.Int32,
    "day_of_week": pl.Int32,
}
NEUTRAL_QUALITY = 0.5
# Real decisions come before their impressions, by so much at most; simulated ones after them.
_LONGEST_WAIT = timedelta(days=1)
# Which rows of `live_training_row` are learned from with their context. The decision is kept for
# less time than its outcome, and an id that is not ours has none: without it nobody knows the
# context, and a click goes the way of a reported one.
WITH_CONTEXT = """t.floor IS NOT NULL
    AND (%(decided_since)s::timestamptz IS NULL OR t.decided_at >= %(decided_since)s)"""
_ROWS = """
    SELECT t.row_key, t.source_id, t.clicked, t.converted, t.weight::float8, 1::float8,
        t.occurred_at, s.external_key, b.external_key, s.vertical, p.external_key,
        p.quality::float8, s.placement_score::float8, s.width::float8, s.height::float8,
        coalesce(s.format, ''), t.device_type, t.browser, t.region, t.city, t.site, t.creative,
        t.creative_type, t.segments, t.market_price::float8, s.floor::float8,
        extract(hour FROM t.occurred_at AT TIME ZONE 'UTC')::int,
        extract(isodow FROM t.occurred_at AT TIME ZONE 'UTC')::int - 1
    FROM training_row t
    JOIN slot s ON s.id = t.slot_id
    JOIN brand b ON b.id = t.brand_id
    JOIN partner p ON p.id = t.partner_id
    WHERE (%(since)s::timestamptz IS NULL OR t.occurred_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR t.occurred_at < %(until)s)
    ORDER BY t.row_key
"""
# Clicks of pairs that a log without conversions tells of, and those of the demo, teach nothing.
# Clicks of our own decisions are in `stores/outcomes.py`, with their context: only what else a cell
# counts is of reports.
_REPORTED = f"""
    WITH served AS (
        SELECT t.slot_id, t.brand_id, t.device_type, t.creative_type,
            date_trunc('hour', t.occurred_at, 'UTC') AS hour_at, count(*) AS clicks,
            count(t.conversion_at) AS conversions
        FROM live_training_row t WHERE t.clicked AND {WITH_CONTEXT}
        GROUP BY 1, 2, 3, 4, 5
    )
    SELECT hashtextextended(concat_ws(' ', s.external_key, b.external_key, f.device_type,
            f.creative_type, extract(epoch FROM f.hour_at)), 0) & 9223372036854775807,
        0::bigint, true, v.converted, 1::float8, v.times::float8, f.hour_at, s.external_key,
        b.external_key, s.vertical, p.external_key, p.quality::float8, s.placement_score::float8,
        s.width::float8, s.height::float8, coalesce(s.format, ''), f.device_type, '', '', '', '',
        '', f.creative_type, ARRAY[]::text[], NULL::float8, s.floor::float8,
        extract(hour FROM f.hour_at AT TIME ZONE 'UTC')::int,
        extract(isodow FROM f.hour_at AT TIME ZONE 'UTC')::int - 1
    FROM performance f
    JOIN slot s ON s.id = f.slot_id
    JOIN brand b ON b.id = f.brand_id
    JOIN partner p ON p.id = s.partner_id
    LEFT JOIN served o USING (slot_id, brand_id, device_type, creative_type, hour_at)
    CROSS JOIN LATERAL (VALUES
        (true, f.conversions - coalesce(o.conversions, 0)),
        (false, f.clicks - f.conversions - coalesce(o.clicks - o.conversions, 0))
    ) v (converted, times)
    WHERE v.times > 0
        AND (%(since)s::timestamptz IS NULL OR f.hour_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR f.hour_at < %(until)s)
        AND NOT starts_with(s.external_key, %(demo)s)
        AND (%(simulated)s OR NOT starts_with(s.external_key, %(prefix)s))
        AND NOT EXISTS (SELECT FROM training_row t WHERE t.slot_id = f.slot_id
            AND t.brand_id = f.brand_id AND t.converted IS NULL)
    ORDER BY 1, 4
"""  # noqa: S608 (a text of this module)
_SLOTS = """
    SELECT external_key, vertical, placement_score::float8, width::float8, height::float8,
        coalesce(format, '')
    FROM slot
"""


@dataclass(frozen=True, slots=True)
class Window:
    """Rows from `since` on and before `until`; None leaves an end open."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def decided_since(self) -> datetime | None:
        """From when on decisions may have an impression in the window."""
        return self.since and self.since - _LONGEST_WAIT


def imported_rows(database_url: str, window: Window = Window()) -> Iterator[pl.DataFrame]:
    """Rows of imported logs, streamed in the order of their keys."""
    yield from _stream(database_url, _ROWS, {"since": window.since, "until": window.until})


def reported_clicks(
    database_url: str, window: Window = Window(), *, simulated: bool = True
) -> Iterator[pl.DataFrame]:
    """Clicks of reports with what became of them: `times` with an order, `times` without.

    Both rows of a cell have one key, so that they are trained or judged on together. `simulated`
    false leaves out the simulated market.
    """
    arguments = {
        "since": window.since,
        "until": window.until,
        "decided_since": window.decided_since,
        "demo": DEMO_SLOT,
        "simulated": simulated,
        "prefix": PREFIX,
    }
    yield from _stream(database_url, _REPORTED, arguments)


def _stream(database_url: str, query: str, arguments: dict[str, Any]) -> Iterator[pl.DataFrame]:
    with (
        psycopg.connect(plain_url(database_url)) as connection,
        connection.cursor("training_rows") as cursor,
    ):
        cursor.itersize = CHUNK_ROWS
        cursor.execute(query, arguments)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield pl.DataFrame(rows, schema=COLUMNS, orient="row")


def as_catalogued(tables: Iterable[pl.DataFrame], database_url: str) -> Iterator[pl.DataFrame]:
    """The rows with what the catalogue says of their slots, as serving would see them.

    Slots that the catalogue does not know keep what the log says.
    """
    with psycopg.connect(plain_url(database_url)) as connection:
        rows = connection.execute(_SLOTS).fetchall()
    names = ("vertical", "placement_score", "width", "height", "format")
    schema = {"slot": pl.String} | {f"{name}_known": COLUMNS[name] for name in names}
    slots = pl.DataFrame(rows, schema=schema, orient="row").with_columns(catalogued=True)
    for table in tables:
        joined = table.join(slots, on="slot", how="left", maintain_order="left")
        known = pl.col("catalogued").is_not_null()
        chosen = [
            pl.when(known).then(pl.col(f"{name}_known")).otherwise(pl.col(name)).alias(name)
            for name in names
        ]
        yield joined.with_columns(chosen).select(table.columns)


def file_rows(path: Path, negative_weight: float = 1.0) -> Iterator[pl.DataFrame]:
    """Rows of an impression log in the iPinYou format; what can't be read is left out.

    Raises `WrongHeader` for another kind of file.
    """
    for batch in read_ipinyou(path):
        weight = pl.when("clicked").then(1.0).otherwise(negative_weight)
        frame = batch.rows.with_columns(
            source=pl.lit(0),
            converted=pl.lit(None, pl.Boolean),
            weight=weight,
            times=pl.lit(1.0),
            occurred_at=pl.lit(None, pl.Datetime("us", "UTC")),
            vertical=pl.lit(""),
            partner_quality=pl.lit(NEUTRAL_QUALITY),
            hour_of_day=pl.col("hour"),
            day_of_week=(pl.col("weekday") + 6) % 7,
        )
        yield frame.select([pl.col(name).cast(kind) for name, kind in COLUMNS.items()])
