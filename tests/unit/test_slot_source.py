"""A slot that changed while it was being read is read again."""

import asyncio
from dataclasses import replace

from deployments.slot_source import SlotSource, default_slot
from stores.feature_types import PartnerFeatures, SlotKey, SlotsFetched

PARTNER = PartnerFeatures(partner_id=4, external_key="p4", quality=0.5)


class Store:
    """One slot, 7 of partner 4. `before` runs while a read is under way; `versions` are answered
    in turn, the last one for ever."""

    def __init__(self, *versions: int) -> None:
        self.versions = list(versions)
        self.at_least: list[int] = []
        self.reading, self.go_on = asyncio.Event(), asyncio.Event()
        self.go_on.set()

    async def fetch(self, keys: list[SlotKey], deadline: float, at_least: int) -> SlotsFetched:
        self.at_least.append(at_least)
        version = self.versions.pop(0) if len(self.versions) > 1 else self.versions[0]
        self.reading.set()
        await self.go_on.wait()
        slot = replace(default_slot(7), external_key="s7", partner=PARTNER, version=version)
        return SlotsFetched(dict.fromkeys(keys, slot))


async def read_while(store: Store, source: SlotSource, change: str, number: int) -> int:
    """The version answered to a read during which version 9 was heard."""
    store.go_on.clear()
    read = asyncio.create_task(source.fetch(7))
    await store.reading.wait()
    getattr(source, change)(*([number, 9] if number else [9]))
    store.go_on.set()
    return (await read).slot.version


async def test_a_change_heard_during_a_read_makes_it_read_again_as_of_that_change() -> None:
    for change, number in (("changed", 7), ("partner_changed", 4), ("all_changed", 0)):
        store = Store(8, 9)
        source = SlotSource(store.fetch)
        assert await read_while(store, source, change, number) == 9
        assert store.at_least == [0, 9]


async def test_a_read_that_stays_old_is_not_taken_for_fresh() -> None:
    store = Store(8)
    source = SlotSource(store.fetch)
    assert await read_while(store, source, "changed", 7) == 8
    assert source.cached(7) is None
    assert source.cached("s7") is None
    assert source.last_known("s7").slot.version == 8
    assert store.at_least == [0, 9]


async def test_a_change_of_another_slot_or_partner_costs_nothing() -> None:
    store = Store(8)
    source = SlotSource(store.fetch)
    assert await read_while(store, source, "changed", 6) == 8
    source.partner_changed(5, 10)
    assert source.cached("s7") is not None
    assert store.at_least == [0]


async def test_a_feed_that_lost_its_place_leaves_no_read_under_way_fresh() -> None:
    store = Store(8)
    source = SlotSource(store.fetch)
    store.go_on.clear()
    read = asyncio.create_task(source.fetch(7))
    await store.reading.wait()
    source.all_changed()
    store.go_on.set()
    await read
    assert source.cached(7) is None


async def test_a_change_reaches_slots_that_are_asked_for_by_their_keys_alone() -> None:
    """Only as many rows as two slots have: what is evicted must not leave a key without its id."""

    async def fetch(keys: list[SlotKey], deadline: float, at_least: int) -> SlotsFetched:
        found = {
            key: replace(default_slot(int(str(key)[1:])), external_key=str(key), version=8)
            for key in keys
        }
        return SlotsFetched(dict(found))

    source = SlotSource(fetch, size=4)
    for key in ("s1", "s2", "s1", "s3", "s1", "s4"):
        if source.cached(key) is None:
            await source.fetch(key)
    assert source.cached("s1") is not None
    source.changed(1, 9)
    assert source.cached("s1") is None


async def test_a_changed_partner_makes_its_slots_be_read_again() -> None:
    store = Store(8, 9)
    source = SlotSource(store.fetch)
    await source.fetch("s7")
    source.partner_changed(4, 9)
    assert source.cached(7) is None
    assert (await source.fetch("s7")).slot.version == 9
    assert store.at_least == [0, 9]
