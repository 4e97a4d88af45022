"""The catalogue on PostgreSQL: every write is one transaction with its audit entry.

A write names the version it has seen, so that two people never overwrite each other; when it
is committed, caches and replicas know (`stores/publishing.py`).
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg

from bidding.errors import Conflict, FieldProblem, InvalidRequest
from stores.audit import Author, fetch_audit_entry
from stores.catalogue_write import CatalogueWrite, read_record
from stores.editing import Page, Where, as_json, not_found
from stores.nouns import NOUNS, DraftT, Noun, RecordT
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.records import LARGEST_ID, AuditRecord, Stored
from stores.reverting import restored_draft, revertible_noun


class Catalogue:
    """`stores.editing.Editing` on PostgreSQL."""

    def __init__(self, postgres: Postgres, publisher: Publisher) -> None:
        self._postgres = postgres
        self._publisher = publisher

    async def fetch_page(
        self,
        noun: Noun[DraftT, RecordT],
        *,
        name: str | None = None,
        where: Where | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[RecordT]:
        """Rows by id; `name` keeps those whose name or external key holds it, in any case."""
        keep, values = _filter(noun, name, where or {})
        rows = await self._postgres.fetch(
            f"SELECT {noun.selected} FROM {noun.table} WHERE {keep}"  # noqa: S608
            f" ORDER BY id LIMIT ${len(values) + 1} OFFSET ${len(values) + 2}",
            *values,
            limit,
            offset,
        )
        total = await self._postgres.fetch(
            f"SELECT count(*) FROM {noun.table} WHERE {keep}",  # noqa: S608
            *values,
        )
        return Page([read_record(noun, row) for row in rows], int(total[0][0]))

    async def fetch(self, noun: Noun[DraftT, RecordT], row_id: int) -> RecordT:
        """The row. Raises `NotFound`."""
        rows = []
        if 0 < row_id <= LARGEST_ID:
            query = f"SELECT {noun.selected} FROM {noun.table} WHERE id = $1"  # noqa: S608
            rows = await self._postgres.fetch(query, row_id)
        if not rows:
            raise not_found(noun, row_id)
        return read_record(noun, rows[0])

    async def create(self, noun: Noun[DraftT, RecordT], draft: DraftT, author: Author) -> RecordT:
        """A new row. Raises `Conflict` for a name or key in use, `InvalidRequest` for a parent
        that is not there.
        """
        async with self._writing(noun) as write:
            return await write.insert(noun, draft, author)

    async def replace(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        draft: DraftT,
        author: Author,
        *,
        version: int | None = None,
    ) -> RecordT:
        """Sets all fields. Raises `PreconditionFailed` when the row is no longer at `version`."""
        async with self._writing(noun) as write:
            before = await write.lock(noun, row_id, version)
            return await write.update(noun, before, draft, author)

    async def delete(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        author: Author,
        *,
        version: int | None = None,
    ) -> None:
        """Takes the row away. Raises `Conflict` naming what still uses it."""
        async with self._writing(noun) as write:
            before = await write.lock(noun, row_id, version)
            await write.remove(noun, before, author)

    async def revert(self, audit_id: int, author: Author) -> Stored | None:
        """Undoes one write: the row as it is then, `None` where that is "gone".

        Raises `NotFound`, or `Conflict` where a later write stands in the way.
        """
        async with self._postgres.transaction() as connection:
            entry = await fetch_audit_entry(connection, audit_id)
        noun = NOUNS[revertible_noun(entry)]
        async with self._writing(noun, reverts=entry) as write:
            current = await write.find(noun, int(entry.entity_id))
            draft = restored_draft(entry, None if current is None else as_json(current))
            if current is None:
                return None if draft is None else await write.insert(noun, draft, author)
            if draft is None:
                await write.remove(noun, current, author)
                return None
            return await write.update(noun, current, draft, author)

    @asynccontextmanager
    async def _writing(
        self, noun: Noun[DraftT, RecordT], reverts: AuditRecord | None = None
    ) -> AsyncIterator[CatalogueWrite]:
        try:
            async with self._postgres.transaction() as connection:
                write = CatalogueWrite(connection, reverts)
                yield write
                touched = await write.touched(noun)
                change = await self._publisher.announce(
                    connection, noun.table, write.row_id, touched
                )
        except asyncpg.UniqueViolationError as error:
            raise _taken(noun, error, reverts) from error
        except asyncpg.ForeignKeyViolationError as error:
            raise _no_parent(noun) from error
        await self._publisher.publish(change, touched)


def _filter(
    noun: Noun[DraftT, RecordT], name: str | None, where: Where
) -> tuple[str, list[int | str | bool | None]]:
    """The condition, and its parameters from `$1` on."""
    unknown = set(where) - set(noun.columns)
    assert not unknown, unknown  # noqa: S101 (columns are written in code, never by a client)
    columns = [f"{column} = ${number}" for number, column in enumerate(where, start=2)]
    return " AND ".join([_name_filter(noun), *columns]), [name, *where.values()]


def _name_filter(noun: Noun[DraftT, RecordT]) -> str:
    held = " OR ".join(
        f"strpos(lower({column}), lower($1)) > 0"
        for column in ("name", "external_key")
        if column in noun.columns
    )
    return f"($1::text IS NULL OR {held})"


def _taken(
    noun: Noun[DraftT, RecordT], error: asyncpg.UniqueViolationError, reverts: AuditRecord | None
) -> Conflict:
    constraint = error.constraint_name or ""
    if reverts is not None and constraint == "uq_audit_log_reverts_id":
        return Conflict(f"audit entry {reverts.id} is undone already")
    field = constraint.removeprefix(f"uq_{noun.table}_")
    return Conflict(f"another {noun.name} has this {field} already")


def _no_parent(noun: Noun[DraftT, RecordT]) -> InvalidRequest | Conflict:
    if noun.parent is None:
        return Conflict(f"this {noun.name} is still used")
    column, table = noun.parent
    problem = FieldProblem(column, f"there is no such {table.removeprefix('brand_')}")
    return InvalidRequest(f"{column}: {problem.problem}", problems=(problem,))
