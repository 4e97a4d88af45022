"""Impressions that came from our own decisions and events, as rows to learn from.

Frames of `stores.training_rows.COLUMNS`, streamed. A row is there once its impression is old
enough for a click to have come and its decision is kept (a row without its context teaches what is
not so). `converted` says whether an order came within one time of the click, the same for all
rows: an old click has had more days for one, and would look more like a buyer's than a young one.
It is null until that time is over, also where an order came early.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl
import psycopg

from stores.database_url import plain_url
from stores.training_rows import CHUNK_ROWS, COLUMNS, WITH_CONTEXT, Window

LIVE_SOURCE = 0
"""`source` of these rows; imported files count from 1."""
_ROWS = f"""
    SELECT t.row_key, %(source)s::bigint, t.clicked,
        CASE WHEN NOT t.clicked THEN false
            WHEN t.click_at < %(converted_before)s
                THEN t.converted AND t.conversion_at < t.click_at + %(order_within)s END,
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
    WHERE {WITH_CONTEXT}
        AND t.occurred_at < %(clicked_before)s
        AND (%(since)s::timestamptz IS NULL OR t.occurred_at >= %(since)s)
        AND (%(until)s::timestamptz IS NULL OR t.occurred_at < %(until)s)
        AND (%(simulated)s::boolean IS NULL OR t.simulated = %(simulated)s)
    ORDER BY t.row_key
"""  # noqa: S608 (a text of `stores.training_rows`)


@dataclass(frozen=True, slots=True)
class Maturity:
    """How long after an impression a click, and after a click an order, may still come; a later
    order does not count."""

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

    `creative`, `browser`, `region`, `city`, `site` and `segments` are those of the request. In the
    order of their keys, so that the same history trains the same model.
    """
    parameters = {
        "source": LIVE_SOURCE,
        "clicked_before": as_of - maturity.click,
        "converted_before": as_of - maturity.conversion,
        "order_within": maturity.conversion,
        "since": window.since,
        "until": window.until,
        "decided_since": window.decided_since,
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
