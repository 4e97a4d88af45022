"""Slots for the scorer: near cache, then the features deployment, then what was last known."""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bidding.errors import AdBidError, UnknownSlot
from deployments.gather import Gather
from deployments.near_cache import NearCache
from stores.feature_types import PartnerFeatures, SlotFeatures, SlotKey, SlotsFetched
from stores.traced import SpanRecord

Fetch = Callable[[list[SlotKey], float], Awaitable[SlotsFetched]]
FETCH_DEADLINE_S = 1.0
LARGEST_GROUP = 500


@dataclass(frozen=True, slots=True)
class SlotRead:
    """A slot, and whether it is what the stores say now."""

    slot: SlotFeatures
    degraded: bool = False
    span: SpanRecord | None = None


class SlotSource:
    """Bounded near cache in front of a gathered fetch."""

    def __init__(self, fetch: Fetch, *, size: int = 20_000, ttl_s: float = 60.0) -> None:
        self._fetch = fetch
        self._ttl_s = ttl_s
        self.cache: NearCache[SlotKey, SlotFeatures] = NearCache(size=size)
        self._gather: Gather[SlotKey, SlotRead] = Gather(
            self._ask, max_weight=LARGEST_GROUP, max_in_flight=4
        )

    def cached(self, key: SlotKey) -> SlotFeatures | None:
        """The slot if it is fresh in the near cache."""
        return self.cache.fresh(key, time.monotonic())

    async def fetch(self, key: SlotKey) -> SlotRead:
        """The slot. Raises `UnknownSlot` when the stores say that there is none.

        The caller bounds the wait; a slot that comes too late is in the cache for the next one.
        """
        return await self._gather.ask(key)

    def last_known(self, key: SlotKey) -> SlotRead:
        """What to go on with when nobody answers in time: an old row, else defaults."""
        slot = self.cache.last_known(key)
        return SlotRead(slot if slot is not None else default_slot(key), degraded=True)

    def changed(self, slot_id: int) -> None:
        """A slot was written."""
        row = self.cache.last_known(slot_id)
        self.cache.stale(slot_id)
        if row is not None:
            self.cache.stale(row.external_key)

    def all_changed(self) -> None:
        """Anything may have been written."""
        self.cache.all_stale(time.monotonic())

    async def _ask(self, keys: Sequence[SlotKey]) -> list[SlotRead | BaseException]:
        fetched = await self._fetch(list(dict.fromkeys(keys)), FETCH_DEADLINE_S)
        until = time.monotonic() + self._ttl_s
        for slot in fetched.slots.values():
            self.cache.put(slot.slot_id, slot, until)
            self.cache.put(slot.external_key, slot, until)
        return [self._answer(key, fetched) for key in keys]

    def _answer(self, key: SlotKey, fetched: SlotsFetched) -> SlotRead | AdBidError:
        if key in fetched.slots:
            return SlotRead(fetched.slots[key])
        if key in fetched.unknown:
            field = "slot_id" if isinstance(key, int) else "slot"
            return UnknownSlot(f"{field}: there is no slot {key!r}; GET /slots lists them")
        return self.last_known(key)


def default_slot(key: SlotKey) -> SlotFeatures:
    """A slot nobody could tell anything about: average in every respect, no floor."""
    return SlotFeatures(
        slot_id=key if isinstance(key, int) else 0,
        external_key=key if isinstance(key, str) else "",
        placement_score=0.5,
        floor=0.0,
        vertical="",
        width=None,
        height=None,
        format=None,
        paused=False,
        partner=PartnerFeatures(partner_id=0, external_key="", quality=0.5),
    )
