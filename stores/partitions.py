"""Day partitions of `decision` and `event`: made ahead of time, dropped when they are old."""

from datetime import date

import psycopg
from psycopg import sql

from stores.database_url import plain_url
from stores.schema import PARTITIONED_TABLES

_PARTITION_NAMES = """
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


def drop_partitions(database_url: str, before: date) -> list[str]:
    """Drops the day partitions wholly before `before` (UTC); answers their names."""
    dropped: list[str] = []
    with psycopg.connect(plain_url(database_url)) as connection:
        for table in PARTITIONED_TABLES:
            names = [row[0] for row in connection.execute(_PARTITION_NAMES, (table,))]
            old = [name for name in names if name < f"{table}_{before:%Y%m%d}"]
            for name in old:
                connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
            dropped += old
    return dropped
