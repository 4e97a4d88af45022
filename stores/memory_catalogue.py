"""The catalogue's in-memory twin: the same rules over dictionaries."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from bidding.errors import Conflict, FieldProblem, InvalidRequest, NotFound
from stores.audit import Author
from stores.demo import STRATEGIES as SEEDED
from stores.editing import Page, Where, as_json, check_version, in_use, not_found
from stores.nouns import NOUNS, STRATEGIES, DraftT, Noun, RecordT
from stores.records import AuditRecord, Stored, StrategyDraft, StrategyRecord
from stores.reverting import restored_draft, revertible_noun

_CHILDREN = {
    "strategy": ("brand", "strategy_id", "brands"),
    "partner": ("slot", "partner_id", "slots"),
}
_UNIQUE = ("name", "external_key")


class MemoryCatalogue:
    """`stores.editing.Editing`. `history` holds (noun, id) of rows that facts name."""

    def __init__(self) -> None:
        self._rows: dict[str, dict[int, Stored]] = {name: {} for name in NOUNS}
        self._next = dict.fromkeys(NOUNS, 1)
        self.audit: list[AuditRecord] = []
        self.history: set[tuple[str, int]] = set()

    async def seed(self) -> None:
        """The five strategies."""
        for name, multiplier, priority in SEEDED:
            draft = StrategyDraft.model_validate(
                {"name": name, "vpi_multiplier": Decimal(multiplier), "priority": priority}
            )
            await self.create(STRATEGIES, draft, Author("seed"))

    async def fetch_page(
        self,
        noun: Noun[DraftT, RecordT],
        *,
        name: str | None = None,
        where: Where | None = None,
        limit: int = 50,
        offset: int = 0,
    ) -> Page[RecordT]:
        wanted = (where or {}).items()
        rows = [
            row
            for row in self._all(noun)
            if _named(row, name) and all(getattr(row, key) == value for key, value in wanted)
        ]
        return Page(rows[offset : offset + limit], len(rows))

    async def fetch(self, noun: Noun[DraftT, RecordT], row_id: int) -> RecordT:
        for row in self._all(noun):
            if row.id == row_id:
                return row
        raise not_found(noun, row_id)

    async def create(self, noun: Noun[DraftT, RecordT], draft: DraftT, author: Author) -> RecordT:
        self._check(noun, draft, 0)
        row_id = self._next[noun.name]
        return self._put(noun, draft, row_id, 1, None, author, None)

    async def replace(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        draft: DraftT,
        author: Author,
        *,
        version: int | None = None,
    ) -> RecordT:
        before = await self.fetch(noun, row_id)
        check_version(noun, before, version)
        self._check(noun, draft, row_id)
        return self._put(noun, draft, row_id, before.version + 1, before, author, None)

    async def delete(
        self,
        noun: Noun[DraftT, RecordT],
        row_id: int,
        author: Author,
        *,
        version: int | None = None,
    ) -> None:
        before = await self.fetch(noun, row_id)
        check_version(noun, before, version)
        self._remove(noun, before, author, None)

    async def revert(self, audit_id: int, author: Author) -> Stored | None:
        entry = next((entry for entry in self.audit if entry.id == audit_id), None)
        if entry is None:
            raise NotFound(f"there is no audit entry {audit_id}")
        noun = NOUNS[revertible_noun(entry)]
        row_id = int(entry.entity_id)
        current = self._rows[noun.name].get(row_id)
        draft = restored_draft(entry, None if current is None else as_json(current))
        if any(other.reverts_id == audit_id for other in self.audit):
            raise Conflict(f"audit entry {audit_id} is undone already")
        if draft is None and current is not None:
            self._remove(noun, current, author, audit_id)
        if draft is None:
            return None
        self._check(noun, draft, row_id)
        version = int(str((entry.before or {})["version"])) if current is None else current.version
        return self._put(noun, draft, row_id, version + 1, current, author, audit_id)

    def _all(self, noun: Noun[DraftT, RecordT]) -> list[RecordT]:
        rows = sorted(self._rows[noun.name].values(), key=lambda row: row.id)
        return [self._counted(row) for row in rows if isinstance(row, noun.record)]

    def _counted(self, row: RecordT) -> RecordT:
        if not isinstance(row, StrategyRecord):
            return row
        brands = sum(
            getattr(each, "strategy_id", 0) == row.id for each in self._rows["brand"].values()
        )
        return row.model_copy(update={"brands": brands})

    def _put(
        self,
        noun: Noun[DraftT, RecordT],
        draft: DraftT,
        row_id: int,
        version: int,
        before: Stored | None,
        author: Author,
        reverts_id: int | None,
    ) -> RecordT:
        now = datetime.now(UTC)
        created_at = now if before is None else before.created_at
        own = {"id": row_id, "version": version, "created_at": created_at, "updated_at": now}
        row = noun.record.model_validate(draft.model_dump() | own)
        self._rows[noun.name][row_id] = row
        self._next[noun.name] = max(self._next[noun.name], row_id + 1)
        self._audit(noun.name, before, row, author, reverts_id)
        return self._counted(row)

    def _remove(
        self,
        noun: Noun[DraftT, RecordT],
        before: Stored,
        author: Author,
        reverts_id: int | None,
    ) -> None:
        if noun.name in _CHILDREN:
            child, column, plural = _CHILDREN[noun.name]
            rows = self._rows[child].values()
            users = [str(as_json(row)["name"]) for row in rows if getattr(row, column) == before.id]
            if users:
                raise in_use(noun, before.id, plural, users)
        if (noun.name, before.id) in self.history:
            raise in_use(noun, before.id, "performance", ["its history"])
        del self._rows[noun.name][before.id]
        self._audit(noun.name, before, None, author, reverts_id)

    def _check(self, noun: Noun[DraftT, RecordT], draft: DraftT, row_id: int) -> None:
        if noun.parent is not None:
            column, table = noun.parent
            parent = table.removeprefix("brand_")
            if getattr(draft, column) not in self._rows[parent]:
                problem = FieldProblem(column, f"there is no such {parent}")
                raise InvalidRequest(f"{column}: {problem.problem}", problems=(problem,))
        field = "external_key" if "external_key" in noun.columns else "name"
        for row in self._all(noun):
            if row.id != row_id and getattr(row, field) == getattr(draft, field):
                raise Conflict(f"another {noun.name} has this {field} already")

    def _audit(
        self,
        entity: str,
        before: Stored | None,
        after: Stored | None,
        author: Author,
        reverts_id: int | None,
    ) -> None:
        row = after or before
        action = "created" if before is None else "deleted" if after is None else "updated"
        self.audit.append(
            AuditRecord(
                id=len(self.audit) + 1,
                at=datetime.now(UTC),
                actor=author.actor,
                entity=entity,
                entity_id=str(row.id if row else 0),
                action=action,
                before=None if before is None else as_json(before),
                after=None if after is None else as_json(after),
                reason=author.reason,
                reverts_id=reverts_id,
            )
        )


def _named(row: Stored, name: str | None) -> bool:
    fields: dict[str, Any] = as_json(row)
    held = [str(fields[field]).lower() for field in _UNIQUE if field in fields]
    return name is None or any(name.lower() in value for value in held)
