"""The audit log: who wrote what, when and why. Appended in the transaction of the write."""

from dataclasses import dataclass
from typing import Any, Protocol

import asyncpg
import orjson

from bidding.errors import NotFound
from stores.postgres import Connection, Postgres
from stores.records import LARGEST_ID, AuditRecord

_INSERT = """
    INSERT INTO audit_log (actor, entity, entity_id, action, before, after, reason, reverts_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id
"""
_KEEP = """
    FROM audit_log WHERE ($1::text IS NULL OR entity = $1)
        AND ($2::text IS NULL OR entity_id = $2) AND ($3::text IS NULL OR actor = $3)
"""
_PAGE = f"SELECT * {_KEEP} ORDER BY id DESC LIMIT $4 OFFSET $5"
_COUNT = f"SELECT count(*) {_KEEP}"
_REVERT = "SELECT * FROM audit_log WHERE reverts_id = $1"


@dataclass(frozen=True, slots=True)
class Author:
    """Who writes, and why if they say so."""

    actor: str
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One write: `before` is None for a created row, `after` for a deleted one."""

    author: Author
    entity: str
    entity_id: str
    action: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    reverts_id: int | None = None


async def record_audit(connection: Connection, entry: AuditEntry) -> int:
    """Appends an entry in the caller's transaction; answers its id."""
    return int(
        await connection.fetchval(
            _INSERT,
            entry.author.actor,
            entry.entity,
            entry.entity_id,
            entry.action,
            _json(entry.before),
            _json(entry.after),
            entry.author.reason,
            entry.reverts_id,
        )
    )


async def fetch_audit_entry(connection: Connection, audit_id: int) -> AuditRecord:
    """The entry. Raises `NotFound`."""
    row = None
    if 0 < audit_id <= LARGEST_ID:
        row = await connection.fetchrow("SELECT * FROM audit_log WHERE id = $1", audit_id)
    if row is None:
        raise NotFound(f"there is no audit entry {audit_id}")
    return _record(row)


@dataclass(frozen=True, slots=True)
class AuditSearch:
    """Which entries to read: all that is given must hold."""

    entity: str | None = None
    entity_id: str | None = None
    actor: str | None = None
    limit: int = 50
    offset: int = 0


@dataclass(frozen=True, slots=True)
class AuditPage:
    """Some entries, newest first, and how many the search keeps in all."""

    entries: list[AuditRecord]
    total: int


class AuditReader(Protocol):
    """What the audit routes read; `AuditLog` and its in-memory twin."""

    async def fetch_page(self, search: AuditSearch) -> AuditPage: ...
    async def fetch_revert(self, audit_id: int) -> AuditRecord: ...


class AuditLog:
    """Reads the log, newest first."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def fetch_page(self, search: AuditSearch) -> AuditPage:
        """The entries that the search keeps, newest first."""
        kept = (search.entity, search.entity_id, search.actor)
        rows = await self._postgres.fetch(_PAGE, *kept, search.limit, search.offset)
        total = await self._postgres.fetch(_COUNT, *kept)
        return AuditPage([_record(row) for row in rows], int(total[0][0]))

    async def fetch_revert(self, audit_id: int) -> AuditRecord:
        """The entry of the write that undid this one. Raises `NotFound`."""
        rows = await self._postgres.fetch(_REVERT, audit_id)
        if not rows:
            raise NotFound(f"audit entry {audit_id} is not undone")
        return _record(rows[0])


def _record(row: asyncpg.Record) -> AuditRecord:
    fields = dict(row)
    for name in ("before", "after"):
        fields[name] = None if fields[name] is None else orjson.loads(fields[name])
    return AuditRecord(**fields)


def _json(fields: dict[str, Any] | None) -> str | None:
    return None if fields is None else orjson.dumps(fields).decode()
