"""One write of a catalogue row inside a transaction, with its audit entry."""

from typing import Any

import asyncpg
import orjson

from stores.audit import AuditEntry, Author, record_audit
from stores.editing import as_json, check_version, in_use, not_found
from stores.nouns import DraftT, Noun, RecordT
from stores.postgres import Connection
from stores.publishing import Touched
from stores.records import LARGEST_ID, AuditRecord


class CatalogueWrite:
    """One write under way: its connection, the row it is about, and its audit entry."""

    def __init__(self, connection: Connection, reverts: AuditRecord | None) -> None:
        self._connection = connection
        self._reverts = reverts
        self.row_id = 0
        self._external_keys: set[str] = set()

    async def find(self, noun: Noun[DraftT, RecordT], row_id: int) -> RecordT | None:
        """The row, locked until the end of the transaction."""
        if not 0 < row_id <= LARGEST_ID:
            return None
        query = f"SELECT {noun.selected} FROM {noun.table} WHERE id = $1 FOR UPDATE"  # noqa: S608
        row = await self._connection.fetchrow(query, row_id)
        return None if row is None else read_record(noun, row)

    async def lock(self, noun: Noun[DraftT, RecordT], row_id: int, version: int | None) -> RecordT:
        found = await self.find(noun, row_id)
        if found is None:
            raise not_found(noun, row_id)
        check_version(noun, found, version)
        return found

    async def insert(self, noun: Noun[DraftT, RecordT], draft: DraftT, author: Author) -> RecordT:
        values = _values(noun, draft)
        if self._reverts is not None:
            version = int(str((self._reverts.before or {}).get("version", 0))) + 1
            values |= {"id": int(self._reverts.entity_id), "version": version}
        marks = ", ".join(f"${number}" for number in range(1, len(values) + 1))
        row = await self._connection.fetchrow(
            f"INSERT INTO {noun.table} ({', '.join(values)}) VALUES ({marks})"  # noqa: S608
            f" RETURNING {noun.selected}",
            *values.values(),
        )
        assert row is not None  # noqa: S101 (INSERT ... RETURNING gives its row)
        after = read_record(noun, row)
        await self._audit(noun, "created", None, after, author)
        return after

    async def update(
        self, noun: Noun[DraftT, RecordT], before: RecordT, draft: DraftT, author: Author
    ) -> RecordT:
        values = _values(noun, draft)
        sets = ", ".join(f"{name} = ${number}" for number, name in enumerate(values, start=2))
        row = await self._connection.fetchrow(
            f"UPDATE {noun.table} SET {sets}, version = version + 1, updated_at = now()"  # noqa: S608
            f" WHERE id = $1 RETURNING {noun.selected}",
            before.id,
            *values.values(),
        )
        assert row is not None  # noqa: S101 (the row is locked)
        after = read_record(noun, row)
        await self._audit(noun, "updated", before, after, author)
        return after

    async def remove(self, noun: Noun[DraftT, RecordT], before: RecordT, author: Author) -> None:
        for holder in noun.holders:
            rows = await self._connection.fetch(holder.names, before.id)
            if rows:
                raise in_use(noun, before.id, holder.noun, [row[0] for row in rows])
        await self._connection.execute(f"DELETE FROM {noun.table} WHERE id = $1", before.id)  # noqa: S608
        await self._audit(noun, "deleted", before, None, author)

    async def touched(self, noun: Noun[DraftT, RecordT]) -> Touched:
        """The cached documents that hold this row."""
        if noun.table == "partner":
            rows = await self._connection.fetch(
                "SELECT id FROM slot WHERE partner_id = $1", self.row_id
            )
            return Touched(slot_ids=tuple(row[0] for row in rows))
        if noun.table == "slot":
            return Touched(slot_ids=(self.row_id,), external_keys=tuple(self._external_keys))
        return Touched(rules=True)

    async def _audit(
        self,
        noun: Noun[DraftT, RecordT],
        action: str,
        before: RecordT | None,
        after: RecordT | None,
        author: Author,
    ) -> None:
        for row in (before, after):
            if row is not None:
                self.row_id = row.id
                self._external_keys |= {getattr(row, "external_key", "")} - {""}
        await record_audit(
            self._connection,
            AuditEntry(
                author,
                noun.name,
                str(self.row_id),
                action,
                None if before is None else as_json(before),
                None if after is None else as_json(after),
                None if self._reverts is None else self._reverts.id,
            ),
        )


def read_record(noun: Noun[DraftT, RecordT], row: asyncpg.Record) -> RecordT:
    """A row of the noun's table as its record."""
    fields = dict(row)
    if "thresholds" in fields:
        fields["thresholds"] = orjson.loads(fields["thresholds"])
    return noun.record.model_validate(fields)


def _values(noun: Noun[DraftT, RecordT], draft: DraftT) -> dict[str, Any]:
    values = {name: getattr(draft, name) for name in noun.columns}
    if "thresholds" in values:
        plain = draft.model_dump(mode="json", exclude_none=True)["thresholds"]
        values["thresholds"] = orjson.dumps(plain).decode()
    return values
