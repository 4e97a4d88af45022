"""The last nightly success: what counts as one, and what is owed where there was none."""

import asyncpg

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
        first = await connection.fetchval("SELECT min(created_at) FROM api_key")
        owed = 0.0 if first is None else first.timestamp()
        await connection.execute(_RUN, "retrain-by-hand", None, "SUCCEEDED", 9_000.0)
        await connection.execute(_RUN, "retrain-1", "2026-11-01", "FAILED", 8_000.0)
        assert abs(await last_nightly_success_s(postgres) - owed) < 0.001
        await connection.execute(_RUN, "retrain-2", "2026-11-02", "SUCCEEDED", 7_000.0)
        assert await last_nightly_success_s(postgres) == 7_000.0
    finally:
        await connection.execute("DELETE FROM training_run")
        await connection.close()
        await postgres.aclose()
