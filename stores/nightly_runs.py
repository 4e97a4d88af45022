"""When the last nightly training succeeded, for the metrics."""

from stores.postgres import Postgres

# Where none ever did, the installation's first key tells since when one is owed.
_LAST = """
    SELECT extract(epoch FROM coalesce(
        (SELECT max(ended_at) FROM training_run
            WHERE night IS NOT NULL AND status = 'SUCCEEDED'),
        (SELECT min(created_at) FROM api_key)
    ))::float8 AS at
"""


async def last_nightly_success_s(postgres: Postgres) -> float:
    """Seconds since 1970; 0 where nothing is known. Raises `StoreUnavailable`."""
    rows = await postgres.fetch(_LAST)
    return float(rows[0]["at"] or 0.0)
