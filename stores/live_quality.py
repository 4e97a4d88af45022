"""How models do in service: predictions of served impressions against what came of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

from bidding.decision_ids import CHANCE_BYTES, decision_id
from bidding.watch import Failures, LiveSums
from stores.model_registry import CTR_MODEL
from stores.postgres import Postgres

SHADOW_COLUMNS = (
    "decision_id",
    "name",
    "bid_id",
    "decided_at",
    "champion_version",
    "challenger_version",
    "champion",
    "challenger",
)
# Both start from the newest outcomes of the span and look their decisions up by key.
_OUTCOMES = """
    SELECT decision_id, bid_id, decided_at, simulated, click_at, conversion_at FROM outcome
    WHERE decided_at >= $1 AND decided_at < $2 AND decision_id >= $3 AND decision_id < $4
        AND impression_at IS NOT NULL
    ORDER BY decision_id DESC LIMIT $5
"""
_SERVED = f"""
    SELECT o.simulated, count(*) AS rows, coalesce(sum(d.predicted::float8), 0) AS predicted,
        count(o.happened_at) AS actual
    FROM (
        SELECT *, CASE WHEN $6 THEN click_at ELSE conversion_at END AS happened_at
        FROM ({_OUTCOMES}) newest WHERE $6 OR click_at IS NOT NULL
    ) o
    CROSS JOIN LATERAL (
        SELECT winner_bid_id, CASE WHEN $6 THEN winner_ctr ELSE winner_cvr END AS predicted,
            CASE WHEN $6 THEN models->>'ctr' ELSE models->>'cvr' END AS version
        FROM decision WHERE decision_id = o.decision_id AND decided_at = o.decided_at LIMIT 1
    ) d
    WHERE d.winner_bid_id = o.bid_id AND d.version = $7 AND d.predicted IS NOT NULL
    GROUP BY o.simulated
"""  # noqa: S608 (texts of this module)
_BUNDLES = """
    SELECT count(*) AS bundles, count(*) FILTER (WHERE 'scoring' = ANY(degraded)) AS failed
    FROM (
        SELECT degraded FROM decision WHERE decided_at >= $1 AND decided_at < $2
        ORDER BY decided_at DESC LIMIT $3
    ) newest
"""
_SHADOWED = """
    SELECT count(*) AS bundles, count(o.impression_at) AS rows,
        coalesce(sum(s.champion::float8) FILTER (WHERE o.impression_at IS NOT NULL), 0) AS champion,
        coalesce(sum(s.challenger::float8) FILTER (WHERE o.impression_at IS NOT NULL), 0)
            AS challenger,
        count(o.happened_at) AS actual
    FROM shadow_score s
    LEFT JOIN LATERAL (
        SELECT impression_at, CASE WHEN $6 THEN click_at ELSE conversion_at END AS happened_at
        FROM outcome WHERE decision_id = s.decision_id AND bid_id = s.bid_id
            AND decided_at = s.decided_at AND impression_at IS NOT NULL
            AND ($6 OR click_at IS NOT NULL)
        LIMIT 1
    ) o ON true
    WHERE s.name = $1 AND s.decided_at >= $2 AND s.decided_at < $3
        AND s.champion_version = $4 AND s.challenger_version = $5
"""
# A row that is there already came of a try whose answer was lost.
_RECORD = f"""
    INSERT INTO shadow_score ({", ".join(SHADOW_COLUMNS)})
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[],
        $5::text[], $6::text[], $7::real[], $8::real[])
    ON CONFLICT DO NOTHING
"""  # noqa: S608
_FORGET = "DELETE FROM shadow_score WHERE decided_at < $1"


@dataclass(frozen=True, slots=True)
class ShadowRow:
    """What both models said of the winner of one bundle."""

    decision_id: UUID
    name: str
    bid_id: str
    decided_at: datetime
    champion_version: str
    challenger_version: str
    champion: float
    challenger: float


@dataclass(frozen=True, slots=True)
class Span:
    """Decisions from `since` on and before `until`; of many, the newest `limit`."""

    since: datetime
    until: datetime
    limit: int = 100_000


@dataclass(frozen=True, slots=True)
class SideBySide:
    """Both models on the same impressions; `bundles` counts those scored by both."""

    bundles: int
    champion: LiveSums
    challenger: LiveSums


class LiveQuality(Protocol):
    """Every call may raise `StoreUnavailable`."""

    async def served(self, name: str, version: str, span: Span) -> LiveSums:
        """Impressions won by what this version said: the real ones, else the simulated."""
        ...

    async def failures(self, span: Span) -> Failures: ...

    async def side_by_side(
        self, name: str, champion: str, challenger: str, span: Span
    ) -> SideBySide: ...

    async def record_shadow(self, rows: Sequence[ShadowRow]) -> None: ...

    async def forget_shadow(self, before: datetime) -> None: ...


class PostgresLiveQuality:
    """`LiveQuality` in PostgreSQL."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def served(self, name: str, version: str, span: Span) -> LiveSums:
        first, last = (_first_id(at) for at in (span.since, span.until))
        rows = await self._postgres.fetch(
            _SERVED, span.since, span.until, first, last, span.limit, _is_ctr(name), version
        )
        found = {
            row["simulated"]: LiveSums(row["rows"], row["predicted"], row["actual"]) for row in rows
        }
        return real_or_simulated(found.get(False), found.get(True))

    async def failures(self, span: Span) -> Failures:
        row = (await self._postgres.fetch(_BUNDLES, span.since, span.until, span.limit))[0]
        return Failures(row["bundles"], row["failed"])

    async def side_by_side(
        self, name: str, champion: str, challenger: str, span: Span
    ) -> SideBySide:
        versions = (champion, challenger)
        found = await self._postgres.fetch(
            _SHADOWED, name, span.since, span.until, *versions, _is_ctr(name)
        )
        row = found[0]
        return SideBySide(
            row["bundles"],
            LiveSums(row["rows"], row["champion"], row["actual"]),
            LiveSums(row["rows"], row["challenger"], row["actual"]),
        )

    async def record_shadow(self, rows: Sequence[ShadowRow]) -> None:
        records = [tuple(getattr(row, name) for name in SHADOW_COLUMNS) for row in rows]
        columns = [list(column) for column in zip(*records, strict=True)]
        await self._postgres.fetch(_RECORD, *columns)

    async def forget_shadow(self, before: datetime) -> None:
        await self._postgres.fetch(_FORGET, before)


def real_or_simulated(real: LiveSums | None, simulated: LiveSums | None) -> LiveSums:
    """Simulated outcomes speak only where there are no real ones."""
    if real is not None and real.rows:
        return real
    return simulated or LiveSums()


def _is_ctr(name: str) -> bool:
    return name == CTR_MODEL


def _first_id(at: datetime) -> UUID:
    return decision_id(at, bytes(CHANCE_BYTES))
