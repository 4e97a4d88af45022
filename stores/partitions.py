"""Day partitions of decisions, events and outcomes, made ahead; `retention` drops old ones."""

import psycopg

from stores.database_url import plain_url

# Whoever waits for all of a table makes everyone wait who reads or writes it after him.
LOCK_TIMEOUT = "SET LOCAL lock_timeout = '2s'"
# A deadlock too: the rollup reads events first and then decisions, partitions are made otherwise.
IN_USE = (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected)
PARTITION_NAMES = """
    SELECT child.relname
    FROM pg_inherits
    JOIN pg_class child ON child.oid = inhrelid
    JOIN pg_class parent ON parent.oid = inhparent
    WHERE parent.relname = %s AND child.relname ~ '_[0-9]{8}$'
    ORDER BY child.relname
"""


def ensure_partitions(database_url: str, days_ahead: int = 7, days_back: int = 1) -> int:
    """Creates the missing day partitions from `days_back` ago to `days_ahead` on (UTC).

    Where a dump or a long query has a table, those up to tomorrow do for now. Answers how many
    were made. Raises one of `IN_USE` when they are missing and can't be made either.
    """
    try:
        return make_partitions(database_url, days_ahead, days_back)
    except IN_USE:
        return make_partitions(database_url, min(days_ahead, 1), days_back)


def make_partitions(database_url: str, days_ahead: int, days_back: int = 1) -> int:
    """All of them in one transaction, or one of `IN_USE` while somebody has a table for long.

    Rows that fell into the default partition meanwhile are moved. Answers how many were made.
    """
    with psycopg.connect(plain_url(database_url)) as connection:
        connection.execute(LOCK_TIMEOUT)
        row = connection.execute(
            "SELECT ensure_partitions(%s, %s)", (days_ahead, days_back)
        ).fetchone()
    return int(row[0]) if row else 0
