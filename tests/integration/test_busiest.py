"""The busiest slots and brands, which canned bundles are filled in with."""

import psycopg

from stores.busiest import fetch_busiest
from stores.postgres import Postgres

SHOWN = """
    INSERT INTO pair_total (slot_id, brand_id, impressions, as_of) VALUES
        (5, 2, 1000000000, now()), (3, 2, 3000000000, now()), (8, 2, 9000000000, now())
    ON CONFLICT (slot_id, brand_id) DO UPDATE SET impressions = excluded.impressions
"""


async def test_the_busiest_come_first_and_the_paused_not_at_all(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute(SHOWN)
        connection.execute("UPDATE slot SET paused = true WHERE id = 8")
        connection.execute("UPDATE brand_total SET impressions = 9000000000 WHERE brand_id = 4")
        connection.execute("UPDATE brand SET paused = true WHERE id = 1")
    postgres = Postgres(postgres_url, timeout_s=5)
    found = await fetch_busiest(postgres, most=5)
    await postgres.aclose()
    assert found.slot_ids[:2] == (3, 5)
    assert 8 not in found.slot_ids
    assert len(found.slot_ids) == len(set(found.slot_ids)) == 5
    assert found.brand_ids[0] == 4
    assert 1 not in found.brand_ids


async def test_a_catalogue_that_nothing_was_shown_of_is_in_its_order(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("UPDATE slot SET paused = false")
        connection.execute("UPDATE brand SET paused = false")
        connection.execute("DELETE FROM pair_total")
        connection.execute("DELETE FROM brand_total")
    postgres = Postgres(postgres_url, timeout_s=5)
    found = await fetch_busiest(postgres, most=3)
    await postgres.aclose()
    assert found.slot_ids == (1, 2, 3)
    assert found.brand_ids == (1, 2, 3)
