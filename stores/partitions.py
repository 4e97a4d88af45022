"""Day partitions of decisions, events and outcomes, made ahead; `retention` drops old ones."""

import psycopg

from stores.database_url import plain_url

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

    Rows that fell into the default partition meanwhile are moved. Answers how many were made.
    """
    with psycopg.connect(plain_url(database_url)) as connection:
        row = connection.execute(
            "SELECT ensure_partitions(%s, %s)", (days_ahead, days_back)
        ).fetchone()
    return int(row[0]) if row else 0
