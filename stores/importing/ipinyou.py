"""An iPinYou impression log as training rows. Prices are CPM; see the log's own description."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from stores.importing.reject import Reject
from stores.importing.rows import LINE, read_rows, too_long

COLUMNS = (
    "click",
    "weekday",
    "hour",
    "bidid",
    "useragent",
    "region",
    "city",
    "adexchange",
    "domain",
    "slotid",
    "slotwidth",
    "slotheight",
    "slotvisibility",
    "slotformat",
    "slotprice",
    "creative",
    "bidprice",
    "payprice",
    "advertiser",
    "usertag",
)
# The log's two vocabularies of visibility, as a share of users who see the slot at once.
PLACEMENT = {
    "FirstView": 1.0,
    "1": 1.0,
    "SecondView": 0.6,
    "2": 0.6,
    "ThirdView": 0.4,
    "FourthView": 0.3,
    "FifthView": 0.25,
    "OtherView": 0.1,
    "0": 0.1,
}
UNKNOWN_PLACEMENT = 0.5
_WHOLE = ("click", "weekday", "hour", "slotwidth", "slotheight")
_PRICES = ("slotprice", "bidprice", "payprice")
_MOST = 1e7  # CPM: beyond this it is no price, and no column of prices takes it
_EXCHANGE = "exchange-"
_LARGEST_SIDE = 100_000  # pixels
_TEXTS = (
    *("bidid", "slotid", "advertiser", "adexchange", "useragent"),
    *("region", "city", "domain", "creative", "slotformat"),
)


_RANGES = (
    ("click", 0, 1),
    ("weekday", 0, 6),
    ("hour", 0, 23),
    ("slotwidth", 1, _LARGEST_SIDE),
    ("slotheight", 1, _LARGEST_SIDE),
)


@dataclass(frozen=True, slots=True)
class IpinyouBatch:
    """Some rows of the log, and those that were not taken.

    `share` is how much of the file was read so far; `unknown_placements` counts rows whose
    visibility says nothing we know, which get a middling placement.
    """

    rows: pl.DataFrame
    rejects: list[Reject]
    share: float = 1.0
    unknown_placements: int = 0


def read_ipinyou(path: Path) -> Iterator[IpinyouBatch]:
    """The log as frames with the columns of `_shape`. Raises `WrongHeader` for another file."""
    for chunk in read_rows(path, COLUMNS):
        parsed = _parse(chunk.frame)
        checked = parsed.with_columns(_why().alias("why"))
        bad = checked.filter(pl.col("why").is_not_null())
        rejects = chunk.rejects + [
            Reject(line, why.split(":")[0], why)
            for line, why in bad.select(LINE, "why").iter_rows()
        ]
        good = checked.filter(pl.col("why").is_null())
        unknown = int((~good["slotvisibility"].is_in(list(PLACEMENT))).sum())
        yield IpinyouBatch(_shape(good), rejects, chunk.share, unknown)


def row_key(bidid: str) -> int:
    """A stable 63-bit hash of an auction's id."""
    digest = hashlib.blake2b(bidid.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") >> 1


def _parse(frame: pl.DataFrame) -> pl.DataFrame:
    whole = [pl.col(name).cast(pl.Int64, strict=False) for name in _WHOLE]
    prices = [pl.col(name).cast(pl.Float64, strict=False) for name in _PRICES]
    return frame.with_columns(whole + prices)


def _why() -> pl.Expr:
    """Why a row can't be taken, null where it can. The first reason counts."""
    reasons = pl.lit(None, pl.String)
    for name in (*_PRICES, *_WHOLE):
        broken = pl.col(name).is_null() | ~pl.col(name).cast(pl.Float64).is_finite()
        reasons = pl.coalesce(reasons, _when(broken, f"unparsable: {name}"))
    for name in _PRICES:
        reasons = pl.coalesce(reasons, _when(pl.col(name) < 0, f"negative price: {name}"))
        reasons = pl.coalesce(
            reasons, _when(pl.col(name) > _MOST, f"out of range: {name} > {_MOST:.0e}")
        )
    for name, low, high in _RANGES:
        outside = ~pl.col(name).is_between(low, high)
        reasons = pl.coalesce(
            reasons, _when(outside, f"unknown value: {name} is not within {low}..{high}")
        )
    for name in ("bidid", "slotid", "advertiser"):
        reasons = pl.coalesce(reasons, _when(pl.col(name) == "", f"missing: {name}"))
    for condition, why in too_long(_TEXTS, len(_EXCHANGE)):
        reasons = pl.coalesce(reasons, _when(condition, why))
    return reasons


def _when(condition: pl.Expr, reason: str) -> pl.Expr:
    return pl.when(condition).then(pl.lit(reason))


def _shape(frame: pl.DataFrame) -> pl.DataFrame:
    """The columns of `training_row`, with external keys where ids will stand."""
    agent = pl.col("useragent").str.splitn("_", 2)
    tags = pl.col("usertag").replace({"null": ""})
    return frame.select(
        LINE,
        pl.col("bidid").map_elements(row_key, return_dtype=pl.Int64).alias("row_key"),
        (pl.col("click") == 1).alias("clicked"),
        "weekday",
        "hour",
        pl.col("slotid").alias("slot"),
        pl.col("advertiser").alias("brand"),
        (_EXCHANGE + pl.col("adexchange")).alias("partner"),
        agent.struct.field("field_0").fill_null("").alias("device_type"),
        agent.struct.field("field_1").fill_null("").alias("browser"),
        "region",
        "city",
        pl.col("domain").replace({"null": ""}).alias("site"),
        "creative",
        (pl.col("slotwidth").cast(pl.String) + "x" + pl.col("slotheight").cast(pl.String)).alias(
            "creative_type"
        ),
        pl.when(tags == "")
        .then(pl.lit([], pl.List(pl.String)))
        .otherwise(tags.str.split(","))
        .alias("segments"),
        pl.col("bidprice").alias("bid_price"),
        pl.col("payprice").alias("market_price"),
        pl.col("slotprice").alias("floor"),
        pl.col("slotwidth").cast(pl.Int32).alias("width"),
        pl.col("slotheight").cast(pl.Int32).alias("height"),
        pl.col("slotformat").alias("format"),
        pl.col("slotvisibility")
        .replace_strict(PLACEMENT, default=UNKNOWN_PLACEMENT, return_dtype=pl.Float64)
        .alias("placement_score"),
    )
