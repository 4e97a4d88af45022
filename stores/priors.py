"""Fitted priors in PostgreSQL: counts to fit them from, and where they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg.types.json import Jsonb

from bidding.priors import PriorFit
from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.database_url import plain_url
from stores.feature_types import Rate

_COUNTS = """
    SELECT s.vertical, t.impressions::float8, t.clicks::float8, t.conversions::float8
    FROM pair_total t JOIN slot s ON s.id = t.slot_id
    WHERE t.impressions > 0
"""
_UPSERT = """
    INSERT INTO vertical_prior (vertical, rate, prior_clicks, prior_imps, mean, low, high, pairs)
    VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
    ON CONFLICT (vertical, rate) DO UPDATE SET prior_clicks = excluded.prior_clicks,
        prior_imps = excluded.prior_imps, mean = excluded.mean, low = excluded.low,
        high = excluded.high, pairs = excluded.pairs, fitted_at = now()
"""


_KEPT = "SELECT vertical, rate, prior_clicks, prior_imps FROM vertical_prior ORDER BY 1, 2"
_AUDIT = """
    INSERT INTO audit_log (actor, entity, entity_id, action, before, after)
    VALUES (%s, 'vertical_prior', 'all', 'fitted', %s, %s)
"""


@dataclass(frozen=True, slots=True, eq=False)
class PairHistory:
    """Slot x brand pairs: `verticals` of n pairs, and their counts float64[3, n] (impressions,
    clicks, conversions)."""

    verticals: Sequence[str]
    counts: NDArray[np.float64]


def read_pairs(database_url: str) -> PairHistory:
    """Every pair with an impression."""
    with psycopg.connect(plain_url(database_url)) as connection:
        rows = connection.execute(_COUNTS).fetchall()
    counts = np.array([row[1:] for row in rows], np.float64).reshape(-1, 3).T
    return PairHistory([row[0] for row in rows], counts)


def write_priors(
    database_url: str, fits: Mapping[tuple[str, Rate], PriorFit], actor: str = "training"
) -> None:
    """Keep the priors, with one entry in the audit log; serving follows within a second."""
    if not fits:
        return
    rows = [
        (vertical, rate, *astuple(fit.prior), fit.mean, fit.low, fit.high, fit.pairs)
        for (vertical, rate), fit in fits.items()
    ]
    with psycopg.connect(plain_url(database_url)) as connection:
        before = _summary(connection.execute(_KEPT).fetchall())
        connection.cursor().executemany(_UPSERT, rows)
        after = _summary(connection.execute(_KEPT).fetchall())
        connection.execute(_AUDIT, (actor, Jsonb(before) if before else None, Jsonb(after)))
        connection.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))


def _summary(rows: Sequence[tuple[Any, ...]]) -> dict[str, dict[str, float]]:
    """By "rate of vertical", as the audit log shows it."""
    return {
        f"{rate} of {vertical or 'all'}": {"prior_clicks": clicks, "prior_imps": impressions}
        for vertical, rate, clicks, impressions in rows
    }
