"""The history of model aliases: which version, when, by whom and why.

A change is written in the transaction that moves the alias, under a lock of the model's name, so
that whoever watches aliases never takes a recorded move for one made behind our back.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol

import asyncpg

from stores.audit import Author
from stores.postgres import Connection, Postgres

Kind = Literal["promote", "rollback", "automatic_rollback"]
KEPT = 200
_LOCK_SPACE = 6_071_724
_LOCK = "SELECT pg_advisory_xact_lock($1, hashtext($2))"
_INSERT = """
    INSERT INTO model_change (name, alias, from_version, to_version, actor, reason, kind)
    VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING *
"""
_PAGE = """
    SELECT * FROM model_change WHERE name = $1 AND ($2::text IS NULL OR alias = $2)
    ORDER BY id DESC LIMIT $3
"""


@dataclass(frozen=True, slots=True)
class Move:
    """An alias that goes from one version to another; None is nowhere."""

    name: str
    alias: str
    from_version: str | None
    to_version: str | None
    kind: Kind


@dataclass(frozen=True, slots=True)
class ModelChange:
    """A move that was made."""

    at: datetime
    move: Move
    author: Author


class ChangeLog(Protocol):
    """The changes of one model while its lock is held."""

    async def fetch(self, alias: str, limit: int = KEPT) -> list[ModelChange]: ...
    async def record(self, move: Move, author: Author) -> ModelChange: ...


class ModelChanges(Protocol):
    """The history; every call may raise `StoreUnavailable`."""

    async def fetch(
        self, name: str, alias: str | None = None, limit: int = KEPT
    ) -> list[ModelChange]:
        """The last changes, newest first."""
        ...

    def locked(self, name: str) -> AbstractAsyncContextManager[ChangeLog]:
        """Nobody else moves the aliases of `name` inside; an error takes back what was recorded."""
        ...


class PostgresModelChanges:
    """`ModelChanges` in PostgreSQL."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def fetch(
        self, name: str, alias: str | None = None, limit: int = KEPT
    ) -> list[ModelChange]:
        rows = await self._postgres.fetch(_PAGE, name, alias, limit)
        return [_change_of(row) for row in rows]

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[ChangeLog]:
        async with self._postgres.transaction() as connection:
            await connection.execute(_LOCK, _LOCK_SPACE, name)
            yield _LockedLog(connection, name)


class _LockedLog:
    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name

    async def fetch(self, alias: str, limit: int = KEPT) -> list[ModelChange]:
        rows = await self._connection.fetch(_PAGE, self._name, alias, limit)
        return [_change_of(row) for row in rows]

    async def record(self, move: Move, author: Author) -> ModelChange:
        row = await self._connection.fetchrow(
            _INSERT,
            self._name,
            move.alias,
            move.from_version,
            move.to_version,
            author.actor,
            author.reason,
            move.kind,
        )
        assert row is not None  # noqa: S101 (RETURNING gives a row)
        return _change_of(row)


def champion_stack(changes: Sequence[ModelChange]) -> list[str]:
    """Versions that may be gone back to, the present one last, from changes newest first.

    A promotion goes on top; a rollback takes off everything above the version it goes to.
    """
    stack: list[str] = []
    for change in reversed(changes):
        version = change.move.to_version
        if version is None:
            continue
        if not stack and change.move.from_version is not None:
            stack.append(change.move.from_version)
        if change.move.kind != "promote" and version in stack:
            while stack[-1] != version:
                stack.pop()
        elif not stack or stack[-1] != version:
            stack.append(version)
    return stack


def _change_of(row: asyncpg.Record) -> ModelChange:
    move = Move(row["name"], row["alias"], row["from_version"], row["to_version"], kind=row["kind"])
    return ModelChange(row["at"], move, Author(row["actor"], row["reason"]))
