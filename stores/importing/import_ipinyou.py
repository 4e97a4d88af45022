"""An iPinYou log into partners, slots, brands, `performance` and `training_row`."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

import polars as pl
import psycopg

from stores.database_url import plain_url
from stores.importing import source, staging
from stores.importing.ipinyou import read_ipinyou
from stores.importing.reject import Reject
from stores.importing.rows import LINE
from stores.importing.source import Report

_STAGED = (
    ("line", "bigint"),
    ("row_key", "bigint"),
    ("clicked", "boolean"),
    ("occurred_at", "timestamptz"),
    ("slot", "text"),
    ("brand", "text"),
    ("partner", "text"),
    ("device_type", "text"),
    ("browser", "text"),
    ("region", "text"),
    ("city", "text"),
    ("site", "text"),
    ("creative", "text"),
    ("creative_type", "text"),
    ("segments", "text[]"),
    ("bid_price", "numeric"),
    ("market_price", "numeric"),
    ("floor", "numeric"),
    ("width", "integer"),
    ("height", "integer"),
    ("format", "text"),
    ("placement_score", "float8"),
)
# A slot is seen with several floors and now and then several sizes: the most common one counts.
_SLOTS = """
    INSERT INTO slot (external_key, partner_id, name, placement_score, floor, width, height, format)
    SELECT s.slot, p.id, s.slot, s.placement_score, s.floor, s.width, s.height, s.format
    FROM (
        SELECT slot, mode() WITHIN GROUP (ORDER BY partner) AS partner,
            avg(placement_score) AS placement_score, mode() WITHIN GROUP (ORDER BY floor) AS floor,
            mode() WITHIN GROUP (ORDER BY width) AS width,
            mode() WITHIN GROUP (ORDER BY height) AS height,
            mode() WITHIN GROUP (ORDER BY format) AS format
        FROM staged GROUP BY slot ORDER BY slot
    ) s JOIN partner p ON p.external_key = s.partner
    ON CONFLICT (external_key) DO NOTHING
"""
_TRAINING_ROWS = """
    CREATE TEMP TABLE taken ON COMMIT DROP AS
    WITH added AS (
        INSERT INTO training_row (row_key, source_id, clicked, weight, occurred_at, slot_id,
            brand_id, partner_id, device_type, browser, region, city, site, creative,
            creative_type, segments, bid_price, market_price, floor)
        SELECT DISTINCT ON (t.row_key) t.row_key, %(source)s, t.clicked,
            CASE WHEN t.clicked THEN 1 ELSE %(weight)s END, t.occurred_at, s.id, b.id, p.id,
            t.device_type, t.browser, t.region, t.city, t.site, t.creative, t.creative_type,
            t.segments, t.bid_price, t.market_price, t.floor
        FROM staged t
        JOIN slot s ON s.external_key = t.slot
        JOIN brand b ON b.external_key = t.brand
        JOIN partner p ON p.external_key = t.partner
        ORDER BY t.row_key, t.clicked DESC, t.line
        ON CONFLICT (row_key) DO NOTHING
        RETURNING slot_id, brand_id, device_type, creative_type, occurred_at, clicked
    ) SELECT * FROM added
"""
# Rounded sums would drift: each cell gets what the running total has not yet given away.
_DELTA = """
    INSERT INTO delta
    SELECT slot_id, brand_id, device_type, creative_type, hour_at,
        clicks + round(running) - coalesce(round(lag(running) OVER cells), 0), clicks, 0, 0
    FROM (
        SELECT *, %(weight)s::numeric * sum(others) OVER (ORDER BY slot_id, brand_id, device_type,
            creative_type, hour_at) AS running
        FROM (
            SELECT slot_id, brand_id, device_type, creative_type,
                date_trunc('hour', occurred_at, 'UTC') AS hour_at,
                count(*) FILTER (WHERE clicked) AS clicks,
                count(*) FILTER (WHERE NOT clicked) AS others
            FROM taken GROUP BY 1, 2, 3, 4, 5
        ) counted
    ) summed
    WINDOW cells AS (ORDER BY slot_id, brand_id, device_type, creative_type, hour_at)
"""
_EARLY = "out of range: occurred_at is in the future"


@dataclass(frozen=True, slots=True)
class IpinyouOptions:
    """How to read a log that was thinned and has no dates.

    A non-click stands for `negative_weight` impressions (>= 1); weekday and hour are placed in
    the week of `week_of`.
    """

    negative_weight: float = 1.0
    week_of: date = date(2013, 6, 10)
    rejects: Path = Path("rejects.csv")


def import_ipinyou(
    database_url: str, path: Path, options: IpinyouOptions, progress: Callable[[int, float], None]
) -> Report:
    """Import one log in one transaction. `progress` hears of the rows and of the
    share of the file read so far.

    The same content again changes nothing; an overlapping file adds only its new rows.
    """
    report = Report("ipinyou", str(path))
    sha256 = source.fingerprint(path)
    with psycopg.connect(plain_url(database_url)) as connection:
        if source.seen(connection, sha256):
            report.already = True
            return report
        weight = options.negative_weight
        source_id = source.open_source(
            connection, sha256, report, {"negative_weight": weight, "week_of": str(options.week_of)}
        )
        staging.create(connection, _STAGED)
        _stage(connection, path, options, report, progress)
        staging.merge_partners_and_brands(connection)
        connection.execute(_SLOTS)
        taken = connection.execute(_TRAINING_ROWS, {"source": source_id, "weight": weight})
        report.accepted = taken.rowcount
        repeated = report.rows - sum(report.rejected.values()) - report.accepted
        if repeated:
            report.notes["rows that were there already"] = repeated
        connection.execute(staging.DELTA)
        connection.execute(_DELTA, {"weight": weight})
        report.performance_rows = staging.merge_performance(connection)
        source.close_source(connection, source_id, report)
    return report


def _stage(
    connection: psycopg.Connection,
    path: Path,
    options: IpinyouOptions,
    report: Report,
    progress: Callable[[int, float], None],
) -> None:
    future = pl.col("occurred_at") > pl.lit(source.latest(connection))
    with source.reject_file(options.rejects, report) as rejects:
        for batch in read_ipinyou(path):
            dated = _dated(batch.rows, options.week_of)
            early = dated.filter(future)[LINE]
            rejects.write([*batch.rejects, *(Reject(n, "out of range", _EARLY) for n in early)])
            report.rows += batch.rows.height + len(batch.rejects)
            staging.copy(connection, dated.filter(~future))
            if batch.unknown_placements:
                report.notes["of unknown visibility, placed at 0.5"] += batch.unknown_placements
            progress(report.rows, batch.share)


def _dated(rows: pl.DataFrame, week_of: date) -> pl.DataFrame:
    """Weekday (0 is Sunday) and hour as a moment of the given week; lists as PostgreSQL's text."""
    monday = datetime.combine(week_of - timedelta(days=week_of.weekday()), time())
    days = (pl.col("weekday") + 6) % 7
    moment = pl.lit(monday) + pl.duration(days=days, hours=pl.col("hour"))
    quoted = pl.col("segments").list.eval(
        '"'
        + pl.element()
        .str.replace_all("\\", "\\\\", literal=True)
        .str.replace_all('"', '\\"', literal=True)
        + '"'
    )
    return rows.with_columns(
        moment.dt.strftime("%Y-%m-%dT%H:%M:%SZ").alias("occurred_at"),
        ("{" + quoted.list.join(",") + "}").alias("segments"),
    ).select([name for name, _ in _STAGED if name != LINE] + [LINE])
