"""Sums over logged decisions by minute, kept with the log, so that nobody scans it to draw them.

A measure is a number summed per minute; `bin` tells its kinds apart: the reason's number for
`REASON`, a step of the logarithmic scale of `took_bin` for `TOOK`, 0 for the others.
"""

from collections import Counter
from collections.abc import Iterable
from datetime import datetime
from math import floor, log2
from typing import Any, TypeAlias

import msgspec

from stores.decision_types import ROW_COLUMNS, Row

DECISIONS = "decisions"
WON = "won"
WINNERS_VPI = "winners_vpi"
DEGRADED = "degraded"
SIMULATED = "simulated"
REASON = "reason"
TOOK = "took"
# Steps of 2**(1/8): a quantile read from them is within 5% of the true one.
_STEPS_PER_DOUBLING = 8
_SHORTEST_MS = 0.01
_AT, _VPI, _DEGRADED, _RESULTS, _TOOK, _SIMULATED = (
    ROW_COLUMNS.index(name)
    for name in ("decided_at", "winner_vpi", "degraded", "results", "took_ms", "simulated")
)
_read_reasons = msgspec.json.Decoder(dict[str, int]).decode

MinuteTotals: TypeAlias = "Counter[tuple[str, datetime, int]]"

ADD_MINUTES = """
    INSERT INTO decision_minute AS m (measure, minute_at, bin, total)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::int[], $4::float8[])
    ON CONFLICT (measure, minute_at, bin) DO UPDATE SET total = m.total + excluded.total
"""


def minute_totals(rows: Iterable[Row]) -> MinuteTotals:
    """The sums of these rows of `decision`, by measure, minute and bin."""
    found: Counter[tuple[str, datetime, int]] = Counter()
    for row in rows:
        minute = row[_AT].replace(second=0, microsecond=0)
        found[DECISIONS, minute, 0] += 1
        if row[_VPI] is not None:
            found[WON, minute, 0] += 1
            found[WINNERS_VPI, minute, 0] += float(row[_VPI])  # type: ignore[assignment]
        if row[_DEGRADED]:
            found[DEGRADED, minute, 0] += 1
        if row[_SIMULATED]:
            found[SIMULATED, minute, 0] += 1
        if row[_TOOK] is not None:
            found[TOOK, minute, took_bin(row[_TOOK])] += 1
        for number, count in _read_reasons(row[_RESULTS]).items():
            found[REASON, minute, int(number)] += count
    return found


def minute_columns(totals: MinuteTotals) -> list[list[Any]]:
    """The arguments of `ADD_MINUTES`, in one order everywhere."""
    keys = sorted(totals)
    columns: list[list[Any]] = [[key[place] for key in keys] for place in range(3)]
    return [*columns, [float(totals[key]) for key in keys]]


def took_bin(took_ms: float) -> int:
    """The step of a duration on the logarithmic scale."""
    return floor(log2(max(took_ms, _SHORTEST_MS)) * _STEPS_PER_DOUBLING)


def took_quantile(counts: dict[int, float], share: float) -> float | None:
    """The duration in ms that `share` of the counted ones stay below; `None` without any."""
    left = sum(counts.values()) * share
    for step in sorted(counts):
        left -= counts[step]
        if left <= 0:
            return float(2.0 ** ((step + 0.5) / _STEPS_PER_DOUBLING))
    return None
