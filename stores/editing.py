"""Editing the catalogue: what routes may ask of it, and what it refuses."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from bidding.errors import Conflict, NotFound, PreconditionFailed
from stores.audit import Author
from stores.nouns import DraftT, Noun, RecordT
from stores.records import Stored

NAMED_HOLDERS = 20
COMPUTED = {"brands"}


# Columns of the noun and what they must be.
Where = Mapping[str, int | str | bool]


@dataclass(frozen=True, slots=True)
class Page(Generic[RecordT]):
    """Some rows by id, and how many there are in all."""

    rows: list[RecordT]
    total: int


class Editing(Protocol):
    """What the ops routes need; `stores.catalogue.Catalogue` and its in-memory twin.

    `version`, where given, is the row's version that the caller has seen.
    """

    async def fetch_page(
        self,
        noun: Noun[DraftT, RecordT],
        *,
        name: str | None = None,
        where: Where | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[RecordT]: ...
    async def fetch(self, noun: Noun[DraftT, RecordT], row_id: int) -> RecordT: ...
    async def create(
        self, noun: Noun[DraftT, RecordT], draft: DraftT, author: Author
    ) -> RecordT: ...
    async def replace(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        draft: DraftT,
        author: Author,
        *,
        version: int | None = None,
    ) -> RecordT: ...
    async def delete(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        author: Author,
        *,
        version: int | None = None,
    ) -> None: ...
    async def revert(self, audit_id: int, author: Author) -> Stored | None: ...


def as_json(row: Stored) -> dict[str, Any]:
    """The row as the audit log keeps it: nothing that other rows decide."""
    return row.model_dump(mode="json", exclude=COMPUTED)


def not_found(noun: Noun[DraftT, RecordT], row_id: int) -> NotFound:
    return NotFound(f"there is no {noun.name} {row_id}")


def check_version(noun: Noun[DraftT, RecordT], row: Stored, version: int | None) -> None:
    """Raises `PreconditionFailed` unless `version` is the row's or is not given."""
    if version is not None and version != row.version:
        seen = f"not {version}" if version else "which is not what the ETag says"
        raise PreconditionFailed(
            f"{noun.name} {row.id} is at version {row.version} now, {seen}; read it again",
            current=row.model_dump(mode="json"),
        )


def in_use(noun: Noun[DraftT, RecordT], row_id: int, holder: str, names: list[str]) -> Conflict:
    """Why a row can't be deleted, naming the first rows that hold it."""
    listed = ", ".join(names[:NAMED_HOLDERS]) + (" and more" if names[NAMED_HOLDERS:] else "")
    return Conflict(f"{noun.name} {row_id} is still used by {holder}: {listed}")
