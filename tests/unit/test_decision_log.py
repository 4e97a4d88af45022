"""The log on the serving side: it never waits, never fails, and says what it lost."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from bidding.auction import NoWinner
from bidding.errors import StoreUnavailable
from bidding.evaluate import evaluate_bids
from deployments import decision_log
from deployments.decision_log import DecisionLog, decision_of, is_sampled
from deployments.score_answer import Versions
from deployments.score_request import decode, to_bids
from deployments.scorer import Scored
from deployments.slot_source import SlotRead, default_slot
from stores.decision_types import BidsRow, Row
from stores.event_settings import DecisionLogSettings
from stores.memory_decisions import MemoryDecisions
from tests.decision_cases import a_book, a_bundle
from tests.event_cases import NOW, an_id

SETTINGS = DecisionLogSettings(flush_ms=1, batch_rows=8, bids_per_s=1e9)
BIDS = 3


def scored(number: int = 1, slot_key: str = "top", **changes: Any) -> Scored:
    """A decision as the scorer hands it over."""
    body = {
        "slot": slot_key,
        "device_type": "mobile",
        "segments": ["10063"],
        "bids": [
            {
                "bid_id": f"b{index}",
                "brand_id": index,
                "pricing_model": "CPM",
                "amount": index,
                "creative_type": "banner",
            }
            for index in range(1, BIDS + 1)
        ],
    }
    request = decode(json.dumps(body).encode())
    slot = replace(default_slot(7), external_key=slot_key)
    bids = to_bids(request.bids, [bid.brand_id or 0 for bid in request.bids])
    odds = a_bundle(BIDS)[1]
    fields: dict[str, Any] = {
        "decision_id": str(an_id(number)),
        "decided_at": NOW,
        "request": request,
        "read": SlotRead(slot),
        "evaluation": evaluate_bids(bids, slot.terms(), odds, a_book(BIDS)),
        "versions": Versions("3", None),
        "degraded": (),
        "took_s": 0.001,
    }
    known = {name: value for name, value in fields.items() if name in Scored.__slots__}
    return Scored(**known | changes)


async def settled(log: DecisionLog, written: int) -> None:
    async with asyncio.timeout(2):
        while log.written < written:  # noqa: ASYNC110
            await asyncio.sleep(0.002)


async def test_what_is_recorded_is_written_in_the_background() -> None:
    store = MemoryDecisions()
    log = DecisionLog(store, SETTINGS)
    log.start()
    for number in range(1, 21):
        log.record(scored(number))
    await settled(log, 20)
    await log.aclose()
    logged = await store.fetch_one(an_id(20))
    assert logged is not None
    assert logged.winner is not None
    assert logged.winner.creative_type == "banner"
    assert logged.context == {"segments": ["10063"]}
    assert (log.recorded, log.waiting, log.dropped.total()) == (20, 0, 0)


def test_a_slot_that_nobody_could_tell_in_time_is_logged_by_its_key() -> None:
    late = decision_of(scored(read=SlotRead(default_slot("top"), degraded=True)))
    assert (late.slot.slot_id, late.context["slot"]) == (0, "top")
    assert "slot" not in decision_of(scored()).context


async def test_while_the_store_is_away_the_newest_are_kept_and_the_drops_counted() -> None:
    store = MemoryDecisions()
    store.down = True
    limits = SETTINGS.model_copy(update={"queue_rows": 10, "queue_bids": 4})
    log = DecisionLog(store, limits)
    log.start()
    for number in range(1, 26):
        log.record(scored(number))
    await asyncio.sleep(0.05)
    store.down = False
    await settled(log, 10)
    await log.aclose()
    found = await store.known([(an_id(number),) for number in range(1, 26)])
    assert found == {an_id(number) for number in range(16, 26)}
    with_bids = [one async for page in store.fetch_recent(99) for one in page]
    assert {one.decision_id for one in with_bids} == {an_id(number) for number in range(22, 26)}
    assert log.dropped["queue_full"] == 15
    assert log.dropped["bids_queue_full"] == 21


async def test_a_row_that_is_refused_costs_no_other() -> None:
    store = MemoryDecisions()
    store.refuses = {an_id(5)}
    log = DecisionLog(store, SETTINGS)
    for number in range(1, 12):
        log.record(scored(number))
    await log.aclose()
    assert len(await store.known([(an_id(number),) for number in range(1, 12)])) == 10
    assert log.dropped == {"refused": 1, "shutdown": 0}
    assert log.written == 10


class LosesTheAnswer(MemoryDecisions):
    """Writes the first batch, but its answer gets lost on the way."""

    def __init__(self) -> None:
        super().__init__()
        self.lost = False

    async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
        await super().record(rows, bids)
        if not self.lost:
            self.lost = True
            raise StoreUnavailable("the connection broke")


async def test_a_batch_in_doubt_is_written_once() -> None:
    store = LosesTheAnswer()
    log = DecisionLog(store, SETTINGS)
    log.start()
    for number in range(1, 13):
        log.record(scored(number))
    await settled(log, 12)
    await log.aclose()
    assert log.written == 12
    assert log.dropped.total() == 0


async def test_while_the_store_hangs_what_comes_is_taken_as_far_as_the_queue_has_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Requests are held until they are rows, and fewer of those than of rows."""

    class Hangs(MemoryDecisions):
        def __init__(self) -> None:
            super().__init__()
            self.goes_on = asyncio.Event()

        async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
            await self.goes_on.wait()
            await super().record(rows, bids)

    monkeypatch.setattr(decision_log, "_INCOMING", 20)
    store = Hangs()
    log = DecisionLog(store, SETTINGS.model_copy(update={"queue_rows": 150}))
    log.start()
    for number in range(1, 101):
        log.record(scored(number))
        if number % 10 == 0:
            await asyncio.sleep(0.01)
    assert (log.waiting, log.dropped.total()) == (100, 0)
    store.goes_on.set()
    await settled(log, 100)
    await log.aclose()
    assert len(await store.known([(an_id(number),) for number in range(1, 101)])) == 100


async def test_a_bug_in_the_writer_costs_its_batch_and_no_other() -> None:
    class Trips(MemoryDecisions):
        async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
            if an_id(1) in {row[0] for row in rows}:
                raise KeyError("a bug")
            await super().record(rows, bids)

    log = DecisionLog(Trips(), SETTINGS)
    for number in range(1, 9):
        log.record(scored(number))
    log.start()
    for number in range(9, 17):
        await asyncio.sleep(0.01)
        log.record(scored(number))
    await settled(log, 8)
    await log.aclose()
    assert (log.written, log.dropped["failed"]) == (8, 8)


async def test_shutdown_is_bounded_and_counts_what_it_lost() -> None:
    class Hangs(MemoryDecisions):
        async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
            await asyncio.sleep(60)

    log = DecisionLog(Hangs(), SETTINGS)
    log.start()
    log.record(scored())
    async with asyncio.timeout(1):
        await log.aclose(within_s=0.05)
    assert log.dropped["shutdown"] == 1


async def test_more_than_fits_before_the_writer_wakes_drops_the_oldest() -> None:
    log = DecisionLog(MemoryDecisions(), SETTINGS)
    one = scored()
    for _ in range(4_003):
        log.record(one)
    assert (log.waiting, log.dropped["queue_full"]) == (4_000, 3)


async def test_bids_are_kept_of_the_sampled_share_only() -> None:
    store = MemoryDecisions()
    log = DecisionLog(store, SETTINGS.model_copy(update={"sample": 0.0}))
    log.record(scored())
    await log.aclose()
    logged = await store.fetch_one(an_id())
    assert logged is not None
    assert logged.bids is None
    assert logged.winner is not None


async def test_at_a_peak_only_so_many_bids_a_second_are_kept() -> None:
    store = MemoryDecisions()
    log = DecisionLog(store, SETTINGS.model_copy(update={"bids_per_s": 100.0}))
    one = scored()
    for number in range(2_000):
        chance = UUID(int=an_id().int & ~0xFFFF | number * 32)
        log.record(replace(one, decision_id=str(chance)))
    await asyncio.sleep(0.05)
    await log.aclose()
    kept = [one async for page in store.fetch_recent(5_000) for one in page]
    assert log.written == 2_000
    assert 1 <= len(kept) <= 110
    assert log.without_bids == 2_000 - len(kept)
    assert not log.dropped.total()
    assert {one.propensity for one in kept} == {1.0}  # the ranking's, whatever is kept of it


def test_the_sample_is_taken_by_the_ids_chance() -> None:
    at = NOW + timedelta(seconds=1)
    ids = [UUID(int=an_id(0, at).int | number * 7919 % 65536) for number in range(2_000)]
    assert all(is_sampled(one, 1.0) for one in ids)
    assert not any(is_sampled(one, 0.0) for one in ids)
    assert 0.2 < sum(is_sampled(one, 0.25) for one in ids) / len(ids) < 0.3


def test_traffic_on_a_simulated_slot_is_labelled() -> None:
    assert decision_of(scored(slot_key="sim:top")).simulated
    assert not decision_of(scored(slot_key="top")).simulated


def test_a_deterministic_winner_is_certain_and_no_winner_has_no_propensity() -> None:
    assert decision_of(scored()).propensity == 1.0
    nobody = scored()
    nobody = replace(nobody, evaluation=replace(nobody.evaluation, winner=NoWinner()))
    assert decision_of(nobody).propensity is None
