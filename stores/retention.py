"""Partitions made ahead and dropped when they are old; rows outside of partitions likewise."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from typing import LiteralString

import psycopg
from psycopg import sql

from stores.database_url import plain_url
from stores.event_settings import EventSettings
from stores.partitions import IN_USE, LOCK_TIMEOUT, PARTITION_NAMES, make_partitions

# Partitioned tables with what dates their rows; late rows are in their default partitions.
_PARTITIONED = {
    "decision": "decided_at",
    "decision_bids": "decided_at",
    "event": "occurred_at",
    "outcome": "decided_at",
}
# An id of another kind than ours says not when its decision was made: its outcome stands under
# 1970, and must stay as long as its events may come.
_AGE = {"outcome": "greatest(decided_at, impression_at, click_at, conversion_at)"}
_PLAIN = {"event_key": "received_at", "decision_minute": "minute_at"}


def keep_partitions(database_url: str, settings: EventSettings, now: datetime) -> list[str]:
    """Make the days to come and drop what is older than `retention_days`.

    Answers the names of the dropped partitions. A partition in use is left for the next time,
    and so are the days to come while somebody has a whole table, as a dump does.
    """
    with suppress(*IN_USE):
        make_partitions(database_url, settings.days_ahead)
    days = settings.retention_days.model_dump()
    limits = {table: now.astimezone(UTC).date() - timedelta(days=days[table]) for table in days}
    with psycopg.connect(plain_url(database_url)) as connection:
        dropped = _drop(connection, limits)
        for table, column in _PARTITIONED.items():
            _delete(connection, f"{table}_default", _AGE.get(table, column), limits[table])
        for table, column in _PLAIN.items():
            _delete(connection, table, column, limits[table])
    return dropped


def _drop(connection: psycopg.Connection, limits: Mapping[str, date]) -> list[str]:
    dropped: list[str] = []
    for table in _PARTITIONED:
        names = [row[0] for row in connection.execute(PARTITION_NAMES, (table,))]
        connection.commit()
        oldest = f"{table}_{limits[table]:%Y%m%d}"
        dropped += [name for name in names if name < oldest and _drop_one(connection, name)]
    return dropped


def _drop_one(connection: psycopg.Connection, name: str) -> bool:
    try:
        connection.execute(LOCK_TIMEOUT)
        connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(name)))
    except psycopg.errors.LockNotAvailable:
        connection.rollback()
        return False
    connection.commit()
    return True


def _delete(connection: psycopg.Connection, table: str, age: LiteralString, limit: date) -> None:
    """Rows of before `limit`, by an expression of their columns."""
    before = datetime(limit.year, limit.month, limit.day, tzinfo=UTC)
    statement = sql.SQL("DELETE FROM {} WHERE {} < %s").format(sql.Identifier(table), sql.SQL(age))
    connection.execute(statement, (before,))
    connection.commit()
