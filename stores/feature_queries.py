"""The two queries behind serving: slots with partner and history, and all rules at once.

Each is one statement, hence one snapshot: what it answers never mixes two states. Both read
`engine_state.version` in it, which dates the answer.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from bidding.errors import StoreUnavailable
from stores.feature_documents import rules_document, slot_document
from stores.postgres import Postgres
from stores.totals import weight

_AGE = weight("now()", "t.as_of")

SLOTS = f"""
    SELECT state.version, s.id AS slot_id, s.external_key, s.placement_score,
        s.floor::float8 AS floor, s.vertical, s.width, s.height, s.format, s.paused,
        p.id AS partner_id, p.external_key AS partner_key, p.quality, p.bought_by,
        p.paused AS partner_paused, pairs.*
    FROM engine_state state
    LEFT JOIN slot s ON s.id = ANY($1::bigint[]) OR s.external_key = ANY($2::text[])
    LEFT JOIN partner p ON p.id = s.partner_id
    LEFT JOIN LATERAL (
        SELECT array_agg(brand_id) AS brand_ids, array_agg(impressions) AS impressions,
            array_agg(clicks) AS clicks, array_agg(conversions) AS conversions,
            array_agg(decayed_impressions * age) AS decayed_impressions,
            array_agg(decayed_clicks * age) AS decayed_clicks,
            array_agg(decayed_conversions * age) AS decayed_conversions
        FROM (
            SELECT t.*, {_AGE} AS age FROM pair_total t WHERE t.slot_id = s.id ORDER BY t.brand_id
        ) aged
    ) pairs ON true
"""  # noqa: S608 (no values in it)

RULES = f"""
    SELECT state.version,
        (SELECT coalesce(json_agg(x ORDER BY x.strategy_id), '[]') FROM (
            SELECT id AS strategy_id, name, vpi_multiplier::float8, priority FROM brand_strategy
        ) x) AS strategies,
        (SELECT coalesce(json_agg(x ORDER BY x.brand_id), '[]') FROM (
            SELECT b.id AS brand_id, b.external_key, b.vertical, b.strategy_id, b.paused,
                b.cpa_on_bought_traffic, b.thresholds,
                t.decayed_impressions * {_AGE} AS impressions,
                t.decayed_clicks * {_AGE} AS clicks,
                t.decayed_conversions * {_AGE} AS conversions
            FROM brand b LEFT JOIN brand_total t ON t.brand_id = b.id
        ) x) AS brands,
        (SELECT coalesce(json_agg(x), '[]') FROM (
            SELECT vertical, rate, prior_clicks, prior_imps, mean, low, high, pairs
            FROM vertical_prior
        ) x) AS priors
    FROM engine_state state
"""  # noqa: S608 (no values in it)


@dataclass(frozen=True, slots=True)
class SlotRows:
    """Slot documents by id, the ids that external keys name, and what dates them."""

    version: int
    documents: dict[int, bytes]
    ids: dict[str, int]


async def query_slots(
    postgres: Postgres, slot_ids: Sequence[int], external_keys: Sequence[str]
) -> SlotRows:
    """Reads all slots asked for in one query; raises `StoreUnavailable`."""
    rows = await postgres.fetch(SLOTS, list(slot_ids), list(external_keys))
    if not rows:
        raise StoreUnavailable("engine_state is empty: the database is not migrated")
    found = [row for row in rows if row["slot_id"] is not None]
    return SlotRows(
        version=rows[0]["version"],
        documents={row["slot_id"]: slot_document(row) for row in found},
        ids={row["external_key"]: row["slot_id"] for row in found},
    )


async def query_rules(postgres: Postgres) -> tuple[int, bytes]:
    """Version and document of all rules in one query; raises `StoreUnavailable`."""
    rows = await postgres.fetch(RULES)
    if not rows:
        raise StoreUnavailable("engine_state is empty: the database is not migrated")
    return rows[0]["version"], rules_document(rows[0])
