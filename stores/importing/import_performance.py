"""A report of aggregated rows into the catalogue and `performance`, through a mapping."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import psycopg

from stores.database_url import plain_url
from stores.importing import source, staging
from stores.importing.mapping import Mapping
from stores.importing.reject import Reject
from stores.importing.rows import LINE, read_rows, too_long
from stores.importing.source import Report

_COUNTS = ("impressions", "clicks", "conversions")
_TEXTS = ("slot", "brand", "partner", "device_type", "creative_type")
# Beyond these a number is no count and no money, and sums of many would not fit.
_MOST, _MOST_REVENUE = 10**12, 10.0**15
_EARLIEST, _LATEST = "1970-", "2200-"
_STAGED = (
    ("line", "bigint"),
    ("slot", "text"),
    ("brand", "text"),
    ("partner", "text"),
    ("device_type", "text"),
    ("creative_type", "text"),
    ("hour_at", "timestamptz"),
    ("impressions", "bigint"),
    ("clicks", "bigint"),
    ("conversions", "bigint"),
    ("revenue", "numeric"),
)
_SLOTS = """
    INSERT INTO slot (external_key, partner_id, name)
    SELECT s.slot, p.id, s.slot
    FROM (SELECT slot, min(partner) AS partner FROM staged GROUP BY slot ORDER BY slot) s
    JOIN partner p ON p.external_key = s.partner
    ON CONFLICT (external_key) DO NOTHING
"""
_DELTA = """
    INSERT INTO delta
    SELECT s.id, b.id, t.device_type, t.creative_type, t.hour_at, sum(t.impressions),
        sum(t.clicks), sum(t.conversions), sum(t.revenue)
    FROM staged t
    JOIN slot s ON s.external_key = t.slot
    JOIN brand b ON b.external_key = t.brand
    GROUP BY 1, 2, 3, 4, 5
"""


@dataclass(frozen=True, slots=True)
class PerformanceOptions:
    """The report's mapping, and where its rejected lines go."""

    mapping: Mapping
    rejects: Path


def import_performance(
    database_url: str,
    path: Path,
    options: PerformanceOptions,
    progress: Callable[[int, float], None],
) -> Report:
    """Import one report in one transaction; the same content again changes nothing.

    `progress` hears of the rows and of the share of the file read so far.

    Rows with the same keys are added up and counted; a missing key becomes the mapping's
    `unknown`, a blank partner the mapping's own, and is counted; a row that can't be true is
    rejected with its reason.
    """
    mapping = options.mapping
    report = Report(mapping.name, str(path))
    sha256 = source.fingerprint(path)
    with psycopg.connect(plain_url(database_url)) as connection:
        if source.seen(connection, sha256):
            report.already = True
            return report
        staging.create(connection, _STAGED)
        why = _why(mapping, source.latest(connection))
        with source.reject_file(options.rejects, report) as rejects:
            for chunk in read_rows(path, mapping.required):
                good, bad = _take(chunk.frame, mapping, why, report)
                rejects.write([*chunk.rejects, *bad])
                report.rows += chunk.frame.height + len(chunk.rejects)
                report.accepted += good.height
                staging.copy(connection, good)
                progress(report.rows, chunk.share)
        source_id = source.open_source(
            connection, sha256, report, mapping.model_dump(mode="json", exclude_none=True)
        )
        staging.merge_partners_and_brands(connection)
        connection.execute(_SLOTS)
        connection.execute(staging.DELTA)
        groups = connection.execute(_DELTA).rowcount
        if report.accepted > groups:
            report.notes["added to a row with the same keys"] = report.accepted - groups
        report.performance_rows = staging.merge_performance(connection)
        source.close_source(connection, source_id, report)
    return report


def _take(
    frame: pl.DataFrame, mapping: Mapping, why: pl.Expr, report: Report
) -> tuple[pl.DataFrame, list[Reject]]:
    """Our columns of the rows that can be true, and the others with their reasons."""
    keyed = frame.with_columns(_columns(mapping, frame))
    checked = keyed.with_columns(why.alias("_why"))
    bad = checked.filter(pl.col("_why").is_not_null())
    reasons = bad.select(LINE, "_why").iter_rows()
    good = checked.filter(pl.col("_why").is_null())
    _note(good, mapping, report)
    ours = good.select(LINE, *(pl.col(f"_{name}").alias(name) for name, _ in _STAGED[1:]))
    return ours, [Reject(line, why.split(":")[0], why) for line, why in reasons]


def _note(good: pl.DataFrame, mapping: Mapping, report: Report) -> None:
    """Count what was mended."""
    for name in ("slot", "brand"):
        missing = int((good[f"_{name}"] == mapping.unknown).sum())
        if missing:
            report.notes[f"without a {name}, kept as {mapping.unknown!r}"] += missing
    if mapping.columns.partner is not None:
        blank = int((good[mapping.columns.partner].str.strip_chars() == "").sum())
        if blank:
            report.notes[f"without a partner, kept as {mapping.partner!r}"] += blank
    zero = int((good["_impressions"] == 0).sum())
    if zero:
        report.notes["kept with no impressions"] += zero


def _columns(mapping: Mapping, frame: pl.DataFrame) -> list[pl.Expr]:
    """Our columns under a leading underscore; counts and money that can't be read are null."""
    columns = mapping.columns
    found = [_key(getattr(columns, name), mapping).alias(f"_{name}") for name in ("slot", "brand")]
    partner = _text(columns.partner, mapping.partner)
    named = pl.when(partner != "").then(partner).otherwise(pl.lit(mapping.partner))
    found.append(named.alias("_partner"))
    found += [
        _text(getattr(columns, name), "").alias(f"_{name}")
        for name in ("device_type", "creative_type")
    ]
    found += [_count(getattr(columns, name)).alias(f"_{name}") for name in _COUNTS]
    revenue = columns.revenue
    money = pl.lit(0.0) if revenue is None else pl.col(revenue).cast(pl.Float64, strict=False)
    return [*found, money.alias("_revenue"), _hour_at(mapping).alias("_hour_at")]


def _key(column: str, mapping: Mapping) -> pl.Expr:
    text = pl.col(column).str.strip_chars()
    missing = text.is_in(list(mapping.missing_keys))
    return pl.when(missing).then(pl.lit(mapping.unknown)).otherwise(text)


def _text(column: str | None, default: str) -> pl.Expr:
    return pl.lit(default) if column is None else pl.col(column).str.strip_chars()


def _count(column: str | None) -> pl.Expr:
    """Whole numbers, also written as 12.0; null for anything else."""
    if column is None:
        return pl.lit(0, pl.Int64)
    number = pl.col(column).cast(pl.Float64, strict=False)
    whole = number.is_finite() & (number == number.floor()) & (number.abs() < 2**53)
    return pl.when(whole).then(number.cast(pl.Int64, strict=False))


def _hour_at(mapping: Mapping) -> pl.Expr:
    when = mapping.when
    if when.at is not None:
        moment = pl.col(when.at).str.to_datetime(strict=False, time_zone="UTC")
        return moment.dt.truncate("1h").dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    year = pl.lit(when.year) if isinstance(when.year, int) else pl.col(str(when.year))
    form = "%Y-%B-%d %H:%M" if when.month_form == "name" else "%Y-%m-%d %H:%M"
    hour = pl.lit("00") if when.hour is None else pl.col(when.hour).str.zfill(2)
    day = pl.col(str(when.day)).str.zfill(2)
    month = pl.col(str(when.month)).str.strip_chars()
    text = pl.format("{}-{}-{} {}:00", year, month, day, hour)
    return text.str.to_datetime(form, strict=False).dt.strftime("%Y-%m-%dT%H:%M:%SZ")


def _why(mapping: Mapping, latest: str) -> pl.Expr:
    """Why a row is not taken, null where it is. The first reason counts."""
    reasons = pl.lit(None, pl.String)
    for name in (*_COUNTS, "revenue", "hour_at"):
        reasons = _or(reasons, pl.col(f"_{name}").is_null(), f"unparsable: {name}")
    reasons = _or(reasons, ~pl.col("_revenue").is_finite(), "unparsable: revenue is not finite")
    for name in (*_COUNTS, "revenue"):
        reasons = _or(reasons, pl.col(f"_{name}") < 0, f"negative: {name}")
        most = _MOST_REVENUE if name == "revenue" else _MOST
        reasons = _or(reasons, pl.col(f"_{name}") > most, f"out of range: {name} > {most:.0e}")
    within = pl.col("_hour_at").is_between(pl.lit(_EARLIEST), pl.lit(_LATEST))
    reasons = _or(reasons, ~within, "out of range: hour_at is not within 1970..2199")
    future = pl.col("_hour_at") > pl.lit(latest)
    reasons = _or(reasons, future, "out of range: hour_at is in the future")
    for name in ("slot", "brand"):
        reasons = _or(reasons, pl.col(f"_{name}") == "", f"missing: {name}")
    for condition, why in too_long([f"_{name}" for name in _TEXTS]):
        reasons = _or(reasons, condition, why)
    more_clicks = pl.col("_clicks") > pl.col("_impressions")
    reasons = _or(reasons, more_clicks, "clicks > impressions: more clicks than impressions")
    more = pl.col("_conversions") > pl.col("_clicks")
    reasons = _or(reasons, more, "conversions > clicks: more conversions than clicks")
    for name in ("creative_type", "device_type"):
        allowed = getattr(mapping, f"{name}s")
        if allowed is not None:
            unknown = ~pl.col(f"_{name}").is_in(list(allowed))
            reasons = _or(reasons, unknown, f"unknown value: {name} is not in the mapping's list")
    return reasons


def _or(reasons: pl.Expr, condition: pl.Expr, reason: str) -> pl.Expr:
    return pl.coalesce(reasons, pl.when(condition).then(pl.lit(reason)))
