"""Fitted priors in PostgreSQL: counts to fit them from, and where they are kept."""

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
import psycopg
from numpy.typing import NDArray

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


def write_priors(database_url: str, fits: Mapping[tuple[str, Rate], PriorFit]) -> None:
    """Keep the priors; serving follows within a second."""
    rows = [
        (vertical, rate, *astuple(fit.prior), fit.mean, fit.low, fit.high, fit.pairs)
        for (vertical, rate), fit in fits.items()
    ]
    with psycopg.connect(plain_url(database_url)) as connection:
        connection.cursor().executemany(_UPSERT, rows)
        connection.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
