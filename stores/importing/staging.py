"""Staging tables: a file is copied in whole, then merged set by set in the same transaction."""

import io
from collections.abc import Sequence

import polars as pl
import psycopg
from psycopg import sql

from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.totals import fold_statements, merge_statement

STRATEGY_OF_NEW_BRANDS = "Balanced"
_PARTNERS = """
    INSERT INTO partner (external_key, name)
    SELECT DISTINCT partner, partner FROM staged ORDER BY partner
    ON CONFLICT (external_key) DO NOTHING
"""
_BRANDS = """
    INSERT INTO brand (external_key, name, vertical, strategy_id)
    SELECT brand, brand, '', (
        SELECT id FROM brand_strategy
        ORDER BY name = %s DESC, abs(vpi_multiplier - 1), id LIMIT 1
    )
    FROM (SELECT DISTINCT brand FROM staged ORDER BY brand) new
    ON CONFLICT (external_key) DO NOTHING
"""
_FIRST_STRATEGY = """
    INSERT INTO brand_strategy (name, vpi_multiplier, priority)
    SELECT %s, 1, 0 WHERE NOT EXISTS (SELECT FROM brand_strategy)
"""
# A change is a row of `delta`; the same statement serves a first import and a later one.
DELTA = """
    CREATE TEMP TABLE delta (slot_id bigint, brand_id bigint, device_type text,
        creative_type text, hour_at timestamptz, impressions bigint, clicks bigint,
        conversions bigint, revenue numeric) ON COMMIT DROP
"""


def create(connection: psycopg.Connection, columns: Sequence[tuple[str, str]]) -> None:
    """An empty `staged` table of (name, SQL type) columns, gone at commit.

    The transaction sorts and groups a whole file, and one runs at a time: it gets more memory
    than a request, so that it does not sort on disk.
    """
    connection.execute("SET LOCAL work_mem = '128MB'")
    parts = [sql.SQL("{} {}").format(sql.Identifier(n), sql.SQL(t)) for n, t in columns]
    connection.execute(
        sql.SQL("CREATE TEMP TABLE staged ({}) ON COMMIT DROP").format(sql.SQL(", ").join(parts))
    )


def copy(connection: psycopg.Connection, frame: pl.DataFrame) -> None:
    """Append the frame's columns to `staged`."""
    names = sql.SQL(", ").join(map(sql.Identifier, frame.columns))
    statement = sql.SQL("COPY staged ({}) FROM STDIN (FORMAT csv, NULL '\\N')").format(names)
    buffer = io.BytesIO()
    frame.write_csv(buffer, include_header=False, null_value="\\N", quote_style="non_numeric")
    with connection.cursor() as cursor, cursor.copy(statement) as stream:
        stream.write(buffer.getvalue())


def merge_partners_and_brands(connection: psycopg.Connection) -> None:
    """New partners and brands of `staged`; those already there stay as ops left them."""
    connection.execute("ANALYZE staged")
    connection.execute(_PARTNERS)
    connection.execute(_FIRST_STRATEGY, (STRATEGY_OF_NEW_BRANDS,))
    connection.execute(_BRANDS, (STRATEGY_OF_NEW_BRANDS,))


def merge_performance(connection: psycopg.Connection) -> int:
    """Add `delta` to `performance` and the totals, and announce it; answers how many rows."""
    connection.execute("ANALYZE delta")
    done = connection.execute(merge_statement("delta"))
    for statement in fold_statements("delta"):
        connection.execute(statement)
    connection.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
    return done.rowcount
