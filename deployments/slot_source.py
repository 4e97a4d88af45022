"""Slots for the scorer: near cache, then the features deployment, then what was last known."""

import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from bidding.errors import AdBidError, StoreUnavailable, UnknownSlot
from deployments.gather import Gather
from deployments.heard import Heard
from deployments.near_cache import NearCache
from stores.feature_types import PartnerFeatures, SlotFeatures, SlotKey, SlotsFetched
from stores.traced import SpanRecord

# Keys, deadline in seconds, and the version of the last change that the answer should have seen.
Fetch = Callable[[list[SlotKey], float, int], Awaitable[SlotsFetched]]
FETCH_DEADLINE_S = 1.0
LARGEST_GROUP = 500


@dataclass(frozen=True, slots=True)
class SlotRead:
    """A slot, whether it is not what the stores say now, and the stores not asked for it."""

    slot: SlotFeatures
    degraded: bool = False
    missing: frozenset[str] = frozenset()
    span: SpanRecord | None = None


class SlotSource:
    """Bounded near cache in front of a gathered fetch.

    An answer from before the last change heard of its slot is asked for once more, and is never
    taken for fresh: a read may have begun before the commit that was heard of meanwhile.
    """

    def __init__(self, fetch: Fetch, *, size: int = 20_000, ttl_s: float = 60.0) -> None:
        self._fetch = fetch
        self._ttl_s = ttl_s
        self._heard = Heard()
        self.cache: NearCache[SlotKey, SlotFeatures] = NearCache(size=size)
        self._gather: Gather[SlotKey, SlotRead] = Gather(
            self._ask, max_weight=LARGEST_GROUP, max_in_flight=4
        )

    def cached(self, key: SlotKey) -> SlotFeatures | None:
        """The slot if it is fresh in the near cache."""
        slot = self.cache.fresh(key, time.monotonic())
        if slot is not None and key != slot.slot_id:
            self.cache.touch(slot.slot_id)
        return slot

    async def fetch(self, key: SlotKey) -> SlotRead:
        """The slot. Raises `UnknownSlot` when the stores say that there is none.

        The caller bounds the wait; a slot that comes too late is in the cache for the next one.
        """
        return await self._gather.ask(key)

    def last_known(self, key: SlotKey) -> SlotRead:
        """What to go on with when nobody answers in time: an old row, else defaults."""
        slot = self.cache.last_known(key)
        return SlotRead(slot if slot is not None else default_slot(key), degraded=True)

    def recall(self, slots: Iterable[SlotFeatures]) -> None:
        """Know these rows of earlier, to answer from when the stores cannot."""
        for slot in slots:
            self._put(slot, float("-inf"))

    def changed(self, slot_id: int, version: int) -> None:
        """A slot was written."""
        self._heard.slot(slot_id, version)
        row = self.cache.last_known(slot_id)
        self.cache.stale(slot_id)
        if row is not None:
            self.cache.stale(row.external_key)

    def partner_changed(self, partner_id: int, version: int) -> None:
        """A partner was written, and with it all of its slots."""
        self._heard.partner(partner_id, version)
        self.cache.stale_where(lambda slot: slot.partner.partner_id == partner_id)

    def all_changed(self, version: int = 0) -> None:
        """Anything may have been written, up to this version where it is known."""
        self._heard.all(version)
        self.cache.all_stale(time.monotonic())

    async def _ask(self, keys: Sequence[SlotKey]) -> list[SlotRead | BaseException]:
        times_all = self._heard.times_all
        fetched = await self._fetch_newest(list(dict.fromkeys(keys)))
        until = time.monotonic() + self._ttl_s
        if times_all != self._heard.times_all:
            until = float("-inf")
        for slot in fetched.slots.values():
            self._put(slot, float("-inf") if self._is_old(slot) else until)
        return [self._answer(key, fetched) for key in keys]

    async def _fetch_newest(self, keys: list[SlotKey]) -> SlotsFetched:
        fetched = await self._fetch(keys, FETCH_DEADLINE_S, self._at_least(keys))
        old = [key for key, slot in fetched.slots.items() if self._is_old(slot)]
        if not old:
            return fetched
        needed = max(self._heard.needed(fetched.slots[key]) for key in old)
        try:
            again = await self._fetch(old, FETCH_DEADLINE_S, needed)
        except StoreUnavailable:
            return fetched
        left = {key: slot for key, slot in fetched.slots.items() if key not in again.unknown}
        return replace(
            fetched,
            slots=left | dict(again.slots),
            unknown=fetched.unknown | again.unknown,
            missing=fetched.missing | again.missing,
        )

    def _at_least(self, keys: list[SlotKey]) -> int:
        return max(self._heard.at_least(key, self.cache.last_known(key)) for key in keys)

    def _is_old(self, slot: SlotFeatures) -> bool:
        return slot.version < self._heard.needed(slot)

    def _put(self, slot: SlotFeatures, until: float) -> None:
        """Under both of its names. The id stays the longer: changes name the slot by it."""
        self.cache.put(slot.external_key, slot, until)
        self.cache.put(slot.slot_id, slot, until)

    def _answer(self, key: SlotKey, fetched: SlotsFetched) -> SlotRead | AdBidError:
        if key in fetched.slots:
            return SlotRead(fetched.slots[key], missing=fetched.missing)
        if key in fetched.unknown:
            field = "slot_id" if isinstance(key, int) else "slot"
            return UnknownSlot(f"{field}: there is no slot {key!r}; GET /slots lists them")
        return replace(self.last_known(key), missing=fetched.missing)


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
