"""The catalogue of the simulated market: keys start with `sim:`, names say that it is simulated."""

from collections.abc import Sequence

import psycopg

from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.database_url import plain_url

PREFIX = "sim:"
PARTNERS = 4
_PARTNER = """
    INSERT INTO partner (external_key, name, quality) VALUES (%s, %s, %s)
    ON CONFLICT (external_key) DO NOTHING
"""
_SLOT = """
    INSERT INTO slot (external_key, partner_id, name, placement_score, vertical, width, height,
        format)
    SELECT %s, id, %s, %s, 'simulated', 300, 250, 'banner' FROM partner WHERE external_key = %s
    ON CONFLICT (external_key) DO NOTHING
"""
_BRAND = """
    INSERT INTO brand (external_key, name, vertical, strategy_id)
    SELECT %s, %s, 'simulated', id FROM brand_strategy
    ORDER BY name = 'Balanced' DESC, abs(vpi_multiplier - 1), id LIMIT 1
    ON CONFLICT (external_key) DO NOTHING
"""


def ensure_simulated_catalogue(
    database_url: str, slots: Sequence[str], brands: Sequence[str]
) -> bool:
    """Write what is missing of these slots and brands (by key); True when something was."""
    with psycopg.connect(plain_url(database_url)) as connection, connection.cursor() as cursor:
        made = 0
        for number in range(1, PARTNERS + 1):
            key = f"{PREFIX}partner-{number}"
            cursor.execute(_PARTNER, (key, _name(key), round(0.3 + 0.15 * number, 2)))
            made += cursor.rowcount
        for number, key in enumerate(slots):
            partner = f"{PREFIX}partner-{number % PARTNERS + 1}"
            score = round(0.9 - 0.7 * number / max(len(slots) - 1, 1), 3)
            cursor.execute(_SLOT, (key, _name(key), score, partner))
            made += cursor.rowcount
        for key in brands:
            cursor.execute(_BRAND, (key, _name(key)))
            made += cursor.rowcount
        if made:
            cursor.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
    return made > 0


def _name(key: str) -> str:
    return f"Simulated {key.removeprefix(PREFIX).replace('-', ' ')}"
