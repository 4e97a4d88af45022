"""The in-memory twin of `stores.model_changes`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from stores.audit import Author
from stores.model_changes import KEPT, ChangeLog, ModelChange, Move


class MemoryModelChanges:
    """`ModelChanges` in a list, oldest first."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.changes: list[ModelChange] = []
        self.clock = clock
        self._lock = asyncio.Lock()

    async def fetch(
        self, name: str, alias: str | None = None, limit: int = KEPT
    ) -> list[ModelChange]:
        wanted = [
            change
            for change in reversed(self.changes)
            if change.move.name == name and alias in (None, change.move.alias)
        ]
        return wanted[:limit]

    @asynccontextmanager
    async def locked(self, name: str) -> AsyncIterator[ChangeLog]:
        async with self._lock:
            before = list(self.changes)
            try:
                yield _MemoryLog(self, name)
            except BaseException:
                self.changes[:] = before
                raise


class _MemoryLog:
    def __init__(self, whole: MemoryModelChanges, name: str) -> None:
        self._whole = whole
        self._name = name

    async def fetch(self, alias: str, limit: int = KEPT) -> list[ModelChange]:
        return await self._whole.fetch(self._name, alias, limit)

    async def record(self, move: Move, author: Author) -> ModelChange:
        change = ModelChange(self._whole.clock(), move, author)
        self._whole.changes.append(change)
        return change
