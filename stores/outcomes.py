"""Impressions that came from our own decisions and events, as rows to learn from.

Frames of `stores.training_rows.COLUMNS`, streamed. A row is there once its impression is old
enough for a click to have come; `converted` is null while an order may still come, also where one
came early: counting only those would make every young click look like a buyer's.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import psycopg

from stores.database_url import plain_url
from stores.training_rows import CHUNK_ROWS, COLUMNS, Window

LIVE_SOURCE = 0
"""`source` of these rows; imported files count from 1."""
# Real decisions come before their impressions, by so much at most; simulated ones after them.
_LONGEST_WAIT = timedelta(days=1)
_ROWS = """
    SELECT t.row_key, %(source)s::bigint, t.clicked,
        CASE WHEN NOT t.clicked THEN false
            WHEN t.click_at < %(converted_before)s THEN t.converted END,
        t.weight, 1::float8, t.occurred_at, s.external_key, b.external_key, s.vertical,
        p.external_key, p.quality, s.placement_score, s.width::float8, s.height::float8,
        coalesce(s.format, ''), t.device_type, t.browser, t.region, t.city, t.site, t.creative,
        t.creative_type, t.segments, t.market_price::float8, s.floor::float8,
        extract(hour FROM t.occurred_at AT TIME ZONE 'UTC')::int,
        extract(isodow FROM t.occurred_at AT TIME ZONE 'UTC')::int - 1
    FROM live_training_row t
    JOIN slot s ON s.id = t.slot_id
    JOIN brand b ON b.id = t.brand_id
    JOIN partner p ON p.id = s.partner_id
    WHERE t.occurred_at < %(clicked_before)s
        AND (%(since)s::timestamptz IS NULL OR t.occurred_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR t.occurred_at < %(until)s)
        AND (%(decided_since)s::timestamptz IS NULL OR t.decided_at >= %(decided_since)s)
        AND (%(simulated)s::boolean IS NULL OR t.simulated = %(simulated)s)
"""


@dataclass(frozen=True, slots=True)
class Maturity:
    """How long after an impression a click, and after a click an order, may still come."""

    click: timedelta = timedelta(hours=1)
    conversion: timedelta = timedelta(days=1)


def live_rows(
    database_url: str,
    as_of: datetime,
    window: Window = Window(),
    maturity: Maturity = Maturity(),
    *,
    simulated: bool | None = None,
) -> Iterator[pl.DataFrame]:
    """Impressions of `window` that are mature at `as_of`; `simulated` leaves out the others.

    `creative`, `browser`, `region`, `city`, `site` and `segments` are those of the request.
    """
    parameters = {
        "source": LIVE_SOURCE,
        "clicked_before": as_of - maturity.click,
        "converted_before": as_of - maturity.conversion,
        "since": window.since,
        "until": window.until,
        "decided_since": window.since and window.since - _LONGEST_WAIT,
        "simulated": simulated,
    }
    with (
        psycopg.connect(plain_url(database_url)) as connection,
        connection.cursor("live_rows") as cursor,
    ):
        cursor.itersize = CHUNK_ROWS
        cursor.execute(_ROWS, parameters)
        while rows := cursor.fetchmany(CHUNK_ROWS):
            yield pl.DataFrame(rows, schema=COLUMNS, orient="row")
