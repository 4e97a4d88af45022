"""Training runs in PostgreSQL: one a night at most, with their progress and verdict."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, timedelta
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
_ACTIVE = "SELECT submission_id FROM training_run WHERE status IN ('PENDING', 'RUNNING') LIMIT 1"
_UNFINISHED = """
    SELECT submission_id, status, now() - coalesce(started_at, submitted_at) FROM training_run
    WHERE status IN ('PENDING', 'RUNNING') ORDER BY submitted_at
"""
# A night's tries: its id, then that with -2, -3 and so on. Runs by hand end in six digits.
_TRIES = """
    SELECT count(*), count(*) FILTER (WHERE status NOT IN ('FAILED', 'STOPPED')) FROM training_run
    WHERE submission_id = %(first)s OR submission_id ~ ('^' || %(first)s || '-[2-9]$')
"""
# The night is its latest try's.
_FREE_NIGHT = "UPDATE training_run SET night = NULL WHERE night = %s"
_GIVE_UP = """
    UPDATE training_run SET status = 'FAILED', ended_at = now(), error = %s
    WHERE submission_id = %s AND status IN ('PENDING', 'RUNNING') RETURNING submission_id
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtext('training_run'))"
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


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A run that has not said how it ended, and for how long."""

    submission_id: str
    status: str
    age: timedelta


class RunBook:
    """How jobs and the scheduler write; synchronous."""

    def __init__(self, database_url: str) -> None:
        self._url = plain_url(database_url)

    def enter(self, submission_id: str) -> None:
        """A run by hand is about to be submitted. Raises `Conflict` while another goes on."""
        with self._alone() as connection:
            _expect_none_active(connection)
            if connection.execute(_ENTER, (submission_id, None)).fetchone() is None:
                raise Conflict(f"{submission_id} was submitted before")

    def enter_night(self, night: date, first_id: str, attempts: int) -> str:
        """The submission id of that night's next try, which is about to be submitted.

        Raises `Conflict` where the night was trained on, where it failed `attempts` times, and
        while another run goes on.
        """
        with self._alone() as connection:
            tries, alive = _tries(connection, first_id)
            if alive:
                raise Conflict(f"{first_id} was submitted before; a night is trained on once")
            if tries >= attempts:
                raise Conflict(f"{first_id} has failed {tries} times; `adbid retrain --now` runs")
            _expect_none_active(connection)
            submission_id = f"{first_id}-{tries + 1}" if tries else first_id
            connection.execute(_FREE_NIGHT, (night,))
            connection.execute(_ENTER, (submission_id, night))
        return submission_id

    def is_done(self, first_id: str, attempts: int) -> bool:
        """Whether nothing is left to do for a night: it goes on, ended well, or failed for good."""
        with self._connect() as connection:
            tries, alive = _tries(connection, first_id)
        return alive > 0 or tries >= attempts

    def unfinished(self) -> list[Unfinished]:
        """Runs that are pending or going on, the oldest first."""
        with self._connect() as connection:
            return [Unfinished(*row) for row in connection.execute(_UNFINISHED)]

    def give_up(self, submission_id: str, error: str) -> bool:
        """A run that can't end by itself any more has failed; False where it ended meanwhile."""
        with self._connect() as connection:
            given = connection.execute(_GIVE_UP, (error[:2000], submission_id)).fetchone()
        return given is not None

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

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Connection[Any]]:
        """A transaction beside which nobody else enters a run."""
        with self._connect() as connection:
            connection.execute(_ONE_AT_A_TIME)
            yield connection

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


def _tries(connection: psycopg.Connection[Any], first_id: str) -> tuple[int, int]:
    """How often a night was tried, and how many of these did not fail."""
    row = connection.execute(_TRIES, {"first": first_id}).fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


def _expect_none_active(connection: psycopg.Connection[Any]) -> None:
    active = connection.execute(_ACTIVE).fetchone()
    if active is not None:
        raise Conflict(f"{active[0]} goes on; one run at a time")


def _run(row: asyncpg.Record) -> TrainingRun:
    return TrainingRun(**{name: row[name] for name in _COLUMNS})
