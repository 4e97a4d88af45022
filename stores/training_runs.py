"""Training runs in PostgreSQL: one a night at most, with their progress and verdict."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import asyncpg
import psycopg
from psycopg import sql

from bidding.errors import Conflict, NotFound, StoreUnavailable
from stores.database_url import plain_url
from stores.postgres import Postgres

_COLUMNS = (
    "submission_id",
    "status",
    "submitted_at",
    "started_at",
    "ended_at",
    "progress",
    "run_id",
    "model_rows",
    "verdict",
    "ne",
    "champion_ne",
    "error",
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM training_run"  # noqa: S608 (names of this module)
_PAGE = f"{_SELECT} ORDER BY submitted_at DESC, submission_id DESC LIMIT $1 OFFSET $2"
_ONE = f"{_SELECT} WHERE submission_id = $1"
_ENTER = """
    INSERT INTO training_run (submission_id, night) VALUES (%s, %s)
    ON CONFLICT DO NOTHING RETURNING submission_id
"""
_WRITABLE = frozenset(_COLUMNS[1:])


@dataclass(frozen=True, slots=True)
class TrainingRun:
    """One run. `ne` and `champion_ne` are normalized entropies on the same rows."""

    submission_id: str
    status: str
    submitted_at: datetime
    started_at: datetime | None
    ended_at: datetime | None
    progress: str
    run_id: str | None
    model_rows: int | None
    verdict: str | None
    ne: float | None
    champion_ne: float | None
    error: str | None


class RunBook:
    """How jobs and the scheduler write; synchronous."""

    def __init__(self, database_url: str) -> None:
        self._url = plain_url(database_url)

    def enter(self, submission_id: str, night: date | None) -> None:
        """A run is about to be submitted. Raises `Conflict` where that night has one already."""
        with self._connect() as connection:
            if connection.execute(_ENTER, (submission_id, night)).fetchone() is None:
                raise Conflict(f"{submission_id} was submitted before; a night is trained on once")

    def knows(self, night: date) -> bool:
        """Whether that night has a run."""
        with self._connect() as connection:
            found = connection.execute(
                "SELECT 1 FROM training_run WHERE night = %s AND status <> 'FAILED'", (night,)
            )
            return found.fetchone() is not None

    def write(self, submission_id: str, **changes: object) -> None:
        """Change columns of a run; makes the row of a run that was started by hand."""
        unknown = changes.keys() - _WRITABLE
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        pairs = sql.SQL(", ").join(
            sql.SQL("{} = %s").format(sql.Identifier(name)) for name in changes
        )
        statement = sql.SQL("UPDATE training_run SET {} WHERE submission_id = %s").format(pairs)
        with self._connect() as connection:
            connection.execute(_ENTER, (submission_id, None))
            connection.execute(statement, (*changes.values(), submission_id))

    def read(self, submission_id: str) -> dict[str, Any]:
        """A run's columns. Raises `NotFound`."""
        query = f"{_SELECT} WHERE submission_id = %s"
        with self._connect() as connection:
            row = connection.execute(query, (submission_id,)).fetchone()
        if row is None:
            raise NotFound(f"there is no training run {submission_id}")
        return dict(zip(_COLUMNS, row, strict=True))

    def forget(self, submission_id: str) -> None:
        """A run that could not be submitted."""
        with self._connect() as connection:
            connection.execute(
                "DELETE FROM training_run WHERE submission_id = %s AND status = 'PENDING'",
                (submission_id,),
            )

    def _connect(self) -> psycopg.Connection[Any]:
        try:
            return psycopg.connect(self._url, connect_timeout=5)
        except psycopg.OperationalError as error:
            raise StoreUnavailable("PostgreSQL does not answer") from error


class TrainingRuns:
    """How routes read."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def page(self, limit: int, offset: int) -> tuple[list[TrainingRun], int]:
        """Runs, newest first, and how many there are."""
        rows = await self._postgres.fetch(_PAGE, limit, offset)
        total = await self._postgres.fetch("SELECT count(*) AS number FROM training_run")
        return [_run(row) for row in rows], int(total[0]["number"])

    async def one(self, submission_id: str) -> TrainingRun | None:
        """A run, None where there is none."""
        rows = await self._postgres.fetch(_ONE, submission_id)
        return _run(rows[0]) if rows else None


def _run(row: asyncpg.Record) -> TrainingRun:
    return TrainingRun(**{name: row[name] for name in _COLUMNS})
