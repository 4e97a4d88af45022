"""When the last nightly training succeeded, for the metrics."""

from stores.postgres import Postgres

# Where none ever did, one is owed since the installation: its first strategy, or its first key.
_LAST = """
    SELECT extract(epoch FROM coalesce(
        (SELECT max(ended_at) FROM training_run
            WHERE night IS NOT NULL AND status = 'SUCCEEDED'),
        least(
            (SELECT min(created_at) FROM brand_strategy),
            (SELECT min(created_at) FROM api_key)
        )
    ))::float8 AS at
"""


async def last_nightly_success_s(postgres: Postgres) -> float | None:
    """Seconds since 1970; None where nothing is known. Raises `StoreUnavailable`."""
    rows = await postgres.fetch(_LAST)
    at: float | None = rows[0]["at"]
    return at
