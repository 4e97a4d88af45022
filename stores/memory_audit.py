"""The audit log's in-memory twin: reads what the catalogue's twin wrote."""

from bidding.errors import NotFound
from stores.audit import AuditPage, AuditSearch
from stores.records import AuditRecord


class MemoryAuditLog:
    """`stores.audit.AuditReader` over a list, oldest first."""

    def __init__(self, entries: list[AuditRecord]) -> None:
        self._entries = entries

    async def fetch_page(self, search: AuditSearch) -> AuditPage:
        asked = ("entity", "entity_id", "actor")
        wanted = {name: value for name in asked if (value := getattr(search, name)) is not None}
        kept = [
            entry
            for entry in reversed(self._entries)
            if all(getattr(entry, name) == value for name, value in wanted.items())
        ]
        return AuditPage(kept[search.offset : search.offset + search.limit], len(kept))

    async def fetch_revert(self, audit_id: int) -> AuditRecord:
        for entry in self._entries:
            if entry.reverts_id == audit_id:
                return entry
        raise NotFound(f"audit entry {audit_id} is not undone")
