"""The migrations build the schema of `stores.schema`, and take it away again."""

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg
import pytest

from cli.embedded import doctor
from cli.embedded.prepare_database import prepare
from stores.migrating import migrate, newer_revision, pending_revisions
from stores.partitions import ensure_partitions
from stores.schema import metadata
from stores.seed import seed
from stores.settings import Settings

ROOT = Path(__file__).parents[2]


def alembic(url: str, *arguments: str) -> str:
    """Runs the command as an operator would: only DATABASE_URL tells it where."""
    done = subprocess.run(
        [sys.executable, "-m", "alembic", *arguments],
        cwd=ROOT,
        env={**os.environ, "DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def table_names(url: str) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    with psycopg.connect(url) as connection:
        return {row[0] for row in connection.execute(query)}


def test_upgrade_check_and_downgrade_work_from_the_command_line(bare_postgres_url: str) -> None:
    alembic(bare_postgres_url, "upgrade", "head")
    assert set(metadata.tables) <= table_names(bare_postgres_url)
    assert "No new upgrade operations" in alembic(bare_postgres_url, "check")

    alembic(bare_postgres_url, "downgrade", "base")
    assert table_names(bare_postgres_url) == {"adbid_migration"}

    alembic(bare_postgres_url, "upgrade", "head")
    assert set(metadata.tables) <= table_names(bare_postgres_url)


def test_check_sees_a_column_that_no_migration_made(bare_postgres_url: str) -> None:
    migrate(bare_postgres_url)
    with psycopg.connect(bare_postgres_url) as connection:
        connection.execute("ALTER TABLE slot DROP COLUMN format")
    with pytest.raises(AssertionError, match="format"):
        alembic(bare_postgres_url, "check")


def test_offline_upgrade_prints_sql(bare_postgres_url: str) -> None:
    printed = alembic(bare_postgres_url, "upgrade", "head", "--sql")
    assert "CREATE TABLE performance" in printed
    assert "PARTITION BY RANGE (decided_at)" in printed


def test_pending_revisions_are_named_until_migrated(bare_postgres_url: str) -> None:
    alembic(bare_postgres_url, "downgrade", "base")
    assert pending_revisions(bare_postgres_url)[0] == "0001"
    migrate(bare_postgres_url)
    assert pending_revisions(bare_postgres_url) == []


def test_tables_of_a_later_release_are_left_alone(bare_postgres_url: str) -> None:
    """A rollback, and a pod of the release before that starts while the next one is coming up."""
    migrate(bare_postgres_url)
    assert newer_revision(bare_postgres_url) is None
    with psycopg.connect(bare_postgres_url) as connection:
        connection.execute("UPDATE adbid_migration SET version_num = '9999'")
        connection.execute("DROP TABLE brand CASCADE")  # as a later release might have
    prepare(bare_postgres_url)
    assert newer_revision(bare_postgres_url) == "9999"
    assert pending_revisions(bare_postgres_url) == []
    assert "brand" not in table_names(bare_postgres_url)
    settings = Settings(DATABASE_URL=bare_postgres_url)
    (found,) = doctor._migrations(settings)
    assert (found.ok, "9999" in found.says) == (False, True)


def test_seed_makes_the_named_strategies_and_fixed_demo_ids(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        strategies = connection.execute(
            "SELECT name, vpi_multiplier::text FROM brand_strategy ORDER BY id"
        ).fetchall()
        slots = connection.execute("SELECT id FROM slot ORDER BY id").fetchall()
        brands = connection.execute("SELECT id FROM brand ORDER BY id").fetchall()
        pair = connection.execute(
            "SELECT impressions, clicks FROM pair_total WHERE slot_id = 7 AND brand_id = 3"
        ).fetchone()
    assert strategies == [
        ("Maximize ROI", "1.2500"),
        ("Maximize Reach", "1.1000"),
        ("Minimize CPA/CPC", "0.9000"),
        ("Even budget pacing", "1.0000"),
        ("Balanced", "1.0000"),
    ]
    assert [row[0] for row in slots] == list(range(1, 9))
    assert [row[0] for row in brands] == list(range(1, 7))
    assert pair is not None
    assert pair[0] > pair[1] > 0


def test_seeding_twice_changes_nothing_and_brings_nothing_back(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("DELETE FROM performance WHERE slot_id = 8")
        connection.execute("DELETE FROM pair_total WHERE slot_id = 8")
        connection.execute("DELETE FROM slot WHERE id = 8")
        connection.execute("UPDATE slot SET name = 'renamed' WHERE id = 1")
    assert seed(postgres_url) is False
    with psycopg.connect(postgres_url) as connection:
        rows = connection.execute("SELECT name FROM slot WHERE id IN (1, 8)").fetchall()
    assert rows == [("renamed",)]


def test_a_row_made_after_the_seed_gets_the_next_id(postgres_url: str) -> None:
    with psycopg.connect(postgres_url) as connection:
        row = connection.execute(
            "INSERT INTO partner (external_key, name) VALUES ('next', 'next') RETURNING id"
        ).fetchone()
    assert row == (3,)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE slot SET placement_score = 1.5 WHERE id = 1", "ck_slot_placement_score"),
        ("UPDATE slot SET placement_score = 'NaN' WHERE id = 1", "ck_slot_placement_score"),
        ("UPDATE slot SET floor = -1 WHERE id = 1", "ck_slot_floor"),
        ("UPDATE slot SET floor = 'NaN' WHERE id = 1", "ck_slot_floor"),
        ("UPDATE brand_strategy SET vpi_multiplier = 0", "ck_brand_strategy_vpi_multiplier"),
        ("UPDATE brand_strategy SET vpi_multiplier = 10.1", "ck_brand_strategy_vpi_multiplier"),
        ("UPDATE partner SET quality = -0.1", "ck_partner_quality"),
        ("UPDATE partner SET bought_by = 'CPA'", "ck_partner_bought_by"),
        ("UPDATE performance SET clicks = impressions + 1", "clicks_within_impressions"),
        ("UPDATE performance SET conversions = clicks + 1", "conversions_within_clicks"),
        ("UPDATE performance SET revenue = -1", "ck_performance_revenue"),
        (
            "INSERT INTO vertical_prior VALUES ('v', 'ctr', 3, 100, 1.2, 0, 1, 1)",
            "ck_vertical_prior_interval",
        ),
        (
            "INSERT INTO api_key (name, prefix, hash, scopes)"
            " VALUES ('k', 'p', sha256('x'), '{root}')",
            "ck_api_key_scopes",
        ),
    ],
)
def test_the_database_refuses_values_out_of_range(
    postgres_url: str, statement: str, constraint: str
) -> None:
    with (
        psycopg.connect(postgres_url) as connection,
        pytest.raises(psycopg.errors.CheckViolation, match=constraint),
    ):
        connection.execute(statement)


INSERT_DECISION = """
    INSERT INTO decision (decision_id, decided_at, slot_id, device_type, auction, bundle, results)
    VALUES (gen_random_uuid(), %s, 7, 'mobile', 'first_price', '{}', '[]')
"""


def partition_of(connection: psycopg.Connection, decided_at: datetime) -> str:
    row = connection.execute(
        "SELECT tableoid::regclass::text FROM decision WHERE decided_at = %s", (decided_at,)
    ).fetchone()
    assert row is not None
    return str(row[0])


def test_a_day_without_a_partition_falls_into_the_default_and_moves_out_later(
    empty_postgres_url: str,
) -> None:
    far = (datetime.now(UTC) + timedelta(days=20)).replace(hour=23, minute=59, second=59)
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute(INSERT_DECISION, (far,))
        assert partition_of(connection, far) == "decision_default"
        connection.commit()

    assert ensure_partitions(empty_postgres_url, days_ahead=21) > 0
    assert ensure_partitions(empty_postgres_url, days_ahead=21) == 0
    with psycopg.connect(empty_postgres_url) as connection:
        assert partition_of(connection, far) == f"decision_{far:%Y%m%d}"
