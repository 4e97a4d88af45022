"""The feature store's in-memory twin: the same answers, with stores that a test switches off."""

import asyncio
from collections.abc import AsyncIterator, Iterable

from bidding.bundle import RuleBook
from bidding.errors import StoreUnavailable
from stores.changes import EVERYTHING, Change
from stores.feature_types import (
    RulesFetched,
    RulesSnapshot,
    SlotFeatures,
    SlotKey,
    SlotsFetched,
)

STORES = frozenset({"redis", "postgres"})


class MemoryFeatures:
    """`stores.feature_types.Features` over plain values.

    `away` holds the names of the stores that do not answer. With one away the other answers for
    everything; with both away nobody does.
    """

    def __init__(
        self, slots: Iterable[SlotFeatures] = (), snapshot: RulesSnapshot | None = None
    ) -> None:
        self.slots = {slot.slot_id: slot for slot in slots}
        self.snapshot = snapshot or RulesSnapshot(RuleBook({}, {}), {}, {}, {})
        self.away: frozenset[str] = frozenset()
        self._watchers: list[asyncio.Queue[Change]] = []

    def down(self) -> frozenset[str]:
        return self.away

    async def fetch_slots(
        self, keys: Iterable[SlotKey], deadline: float, at_least: int = 0
    ) -> SlotsFetched:
        self._check()
        by_name = {slot.external_key: slot for slot in self.slots.values()}
        asked = list(dict.fromkeys(keys))
        found = {
            key: slot
            for key in asked
            if (slot := self.slots.get(key) if isinstance(key, int) else by_name.get(key))
        }
        unknown = frozenset(key for key in asked if key not in found)
        return SlotsFetched(found, unknown=unknown, missing=self.away)

    async def fetch_rules(self, deadline: float, at_least: int = 0) -> RulesFetched:
        self._check()
        return RulesFetched(self.snapshot, self.away)

    async def watch_changes(self) -> AsyncIterator[Change]:
        queue: asyncio.Queue[Change] = asyncio.Queue()
        queue.put_nowait(Change(EVERYTHING, 0, 0))
        self._watchers.append(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(queue)

    def announce(self, change: Change) -> None:
        """Tell all watchers, as a committed write would."""
        for queue in self._watchers:
            queue.put_nowait(change)

    async def aclose(self) -> None:
        self._watchers.clear()

    def _check(self) -> None:
        if self.away == STORES:
            raise StoreUnavailable("neither Redis nor PostgreSQL answers")
