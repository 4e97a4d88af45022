"""The last nightly success: what counts as one, and what is owed where there was none."""

import asyncpg
import pytest

from stores.nightly_runs import last_nightly_success_s
from stores.postgres import Postgres

_RUN = """
    INSERT INTO training_run (submission_id, night, status, ended_at)
    VALUES ($1, $2::text::date, $3, to_timestamp($4))
"""


async def test_only_a_nightly_success_counts(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    postgres = Postgres(postgres_url)
    try:
        await connection.execute("DELETE FROM training_run")
        await connection.execute("DELETE FROM api_key")
        installed = await connection.fetchval("SELECT min(created_at) FROM brand_strategy")
        owed = installed.timestamp()
        await connection.execute(_RUN, "retrain-by-hand", None, "SUCCEEDED", 9_000.0)
        await connection.execute(_RUN, "retrain-1", "2026-11-01", "FAILED", 8_000.0)
        assert await last_nightly_success_s(postgres) == pytest.approx(owed, abs=0.001)
        await connection.execute(_RUN, "retrain-2", "2026-11-02", "SUCCEEDED", 7_000.0)
        assert await last_nightly_success_s(postgres) == 7_000.0
    finally:
        await connection.execute("DELETE FROM training_run")
        await connection.close()
        await postgres.aclose()
