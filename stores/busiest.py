"""The slots and brands of an installation that most impressions are of."""

from dataclasses import dataclass

from stores.postgres import Postgres

_SLOTS = """
    SELECT s.id FROM slot s JOIN partner p ON p.id = s.partner_id
    LEFT JOIN (SELECT slot_id, sum(impressions) AS shown FROM pair_total GROUP BY slot_id) t
        ON t.slot_id = s.id
    WHERE NOT s.paused AND NOT p.paused
    ORDER BY coalesce(t.shown, 0) DESC, s.id LIMIT $1
"""
_BRANDS = """
    SELECT b.id FROM brand b LEFT JOIN brand_total t ON t.brand_id = b.id
    WHERE NOT b.paused
    ORDER BY coalesce(t.impressions, 0) DESC, b.id LIMIT $1
"""


@dataclass(frozen=True, slots=True)
class Busiest:
    """Our ids, the busiest first; those that nothing was shown of yet follow by id."""

    slot_ids: tuple[int, ...]
    brand_ids: tuple[int, ...]


async def fetch_busiest(postgres: Postgres, most: int = 50) -> Busiest:
    """At most `most` of each that are not paused. Raises `StoreUnavailable`."""
    slots = await postgres.fetch(_SLOTS, most)
    brands = await postgres.fetch(_BRANDS, most)
    return Busiest(tuple(row[0] for row in slots), tuple(row[0] for row in brands))
