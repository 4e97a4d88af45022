"""Fills an empty system once: the five strategies and a small demo catalogue."""

import psycopg

from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.database_url import plain_url
from stores.demo import BRANDS, DEMO_SLOT, PARTNERS, SLOTS, STRATEGIES, demo_history
from stores.totals import fold_statements

_LOCK = 6_071_723_115
_SEEDED = "SELECT EXISTS (SELECT FROM audit_log WHERE entity = 'seed')"
_MARK = """
    INSERT INTO audit_log (actor, entity, entity_id, action, reason)
    VALUES ('adbid up', 'seed', %s, 'created', 'demo catalogue of an empty system')
"""


def seed(database_url: str) -> bool:
    """Writes strategies and demo rows into a migrated database; True when it did.

    Once per database: a second call changes nothing, and what ops deleted since stays deleted.
    Demo partners, slots and brands are written only into an empty catalogue.
    """
    with psycopg.connect(plain_url(database_url)) as connection:
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        if _answer(connection, _SEEDED):
            return False
        _seed_strategies(connection)
        empty = not _answer(
            connection, "SELECT EXISTS (SELECT FROM partner UNION ALL SELECT FROM brand)"
        )
        if empty:
            _seed_catalogue(connection)
            _seed_history(connection)
        _restart_ids(connection)
        connection.execute(_MARK, ("demo" if empty else "strategies",))
        connection.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
    return True


def _answer(connection: psycopg.Connection, query: str) -> bool:
    row = connection.execute(query).fetchone()
    return bool(row and row[0])


def _seed_strategies(connection: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO brand_strategy (id, name, vpi_multiplier, priority)"
            " VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING",
            [(number, *row) for number, row in enumerate(STRATEGIES, start=1)],
        )


def _seed_catalogue(connection: psycopg.Connection) -> None:
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO partner (id, external_key, name, quality, bought_by)"
            " VALUES (%s, %s, %s, %s, %s)",
            [(row[0], f"demo-partner-{row[0]}", *row[1:]) for row in PARTNERS],
        )
        cursor.executemany(
            "INSERT INTO slot (id, external_key, partner_id, name, placement_score, floor,"
            " vertical, width, height, format)"
            " VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, 'banner')",
            [
                (
                    row.slot_id,
                    f"{DEMO_SLOT}{row.slot_id}",
                    row.partner_id,
                    row.name,
                    row.placement_score,
                    row.floor,
                    row.vertical,
                    row.width,
                    row.height,
                )
                for row in SLOTS
            ],
        )
        cursor.executemany(
            "INSERT INTO brand (id, external_key, name, vertical, strategy_id)"
            " SELECT %s, %s, %s, %s, id FROM brand_strategy WHERE name = %s",
            [
                (row.brand_id, f"demo-brand-{row.brand_id}", row.name, row.vertical, row.strategy)
                for row in BRANDS
            ],
        )


def _seed_history(connection: psycopg.Connection) -> None:
    """Demo counts at noon of the last days, by the database's clock."""
    with connection.cursor() as cursor:
        cursor.executemany(
            "INSERT INTO performance (slot_id, brand_id, device_type, creative_type, hour_at,"
            " impressions, clicks, conversions, revenue)"
            " VALUES (%s, %s, %s, 'banner', (date_trunc('day', now() AT TIME ZONE 'UTC')"
            " - make_interval(days => %s) + interval '12 hours') AT TIME ZONE 'UTC',"
            " %s, %s, %s, %s)",
            [
                (
                    row.slot_id,
                    row.brand_id,
                    row.device_type,
                    row.days_ago,
                    row.impressions,
                    row.clicks,
                    row.conversions,
                    row.clicks * 0.4,
                )
                for row in demo_history()
            ],
        )
    for statement in fold_statements("performance"):
        connection.execute(statement)


def _restart_ids(connection: psycopg.Connection) -> None:
    for table in ("brand_strategy", "partner", "slot", "brand"):
        connection.execute(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"  # noqa: S608
            f" (SELECT coalesce(max(id), 1) FROM {table}))"
        )
