import asyncio
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from bidding.errors import InvalidRequest, Overloaded, StoreUnavailable, TooLarge, UnknownSlot
from bidding.events import Context, Event
from deployments import event_request
from deployments.event_intake import EventIntake
from stores.event_settings import IngestSettings
from stores.feature_types import SlotKey
from stores.memory_decisions import MemoryDecisions
from stores.memory_events import MemoryEvents
from tests.event_cases import NOW

SLOTS: dict[SlotKey, int] = {7: 7, "top": 7}
BRANDS: dict[int | str, int] = {3: 3, "shoes": 3}


def an_event(**changes: Any) -> dict[str, Any]:
    event = {
        "event_id": str(uuid4()),
        "type": "impression",
        "occurred_at": NOW.isoformat(),
        "decision_id": str(uuid4()),
    }
    return {k: v for k, v in (event | changes).items() if v is not ...}


def a_body(*events: dict[str, Any]) -> bytes:
    return json.dumps({"events": events or [an_event()]}).encode()


async def find_slot(key: SlotKey) -> int:
    if key not in SLOTS:
        raise UnknownSlot("no such slot")
    return SLOTS[key]


async def find_brand(key: int | str) -> int | None:
    return BRANDS.get(key)


class SlowStore(MemoryEvents):
    """Counts commits; each takes a moment."""

    commits = 0

    async def record(self, events: Sequence[Event]) -> set[str]:
        self.commits += 1
        await asyncio.sleep(0.01)
        return await super().record(events)


@pytest.fixture
def store() -> SlowStore:
    return SlowStore(MemoryDecisions(), (7,), (3,))


@pytest.fixture
def intake(store: SlowStore) -> EventIntake:
    return an_intake(store)


def an_intake(store: MemoryEvents, **limits: Any) -> EventIntake:
    settings = IngestSettings(**limits)
    return EventIntake(store, settings, find_slot, find_brand, clock=lambda: NOW)


BAD = {
    "unknown type": (an_event(type="view"), "events[1].type"),
    "no type": (an_event(type=...), "events[1]"),
    "empty id": (an_event(event_id=""), "events[1].event_id"),
    "long id": (an_event(event_id="x" * 201), "events[1].event_id"),
    "NUL in the id": (an_event(event_id="a\0b"), "events[1].event_id"),
    "no time": (an_event(occurred_at=...), "events[1]"),
    "wrong time": (an_event(occurred_at="yesterday"), "events[1].occurred_at"),
    "wrong decision": (an_event(decision_id="d1"), "events[1].decision_id"),
    "negative value": (an_event(value=-1), "events[1].value"),
    "huge value": (an_event(value=1e300), "events[1].value"),
    "NaN value": (an_event(value=float("nan")), "events[1].value"),
    "neither decision nor context": (an_event(decision_id=...), "events[1].decision_id"),
    "context without slot": (an_event(context={"brand_id": 3}), "events[1].context.slot_id"),
    "context with both brands": (
        an_event(context={"slot_id": 7, "brand_id": 3, "brand": "shoes"}),
        "events[1].context.brand_id",
    ),
    "misspelt field": (an_event(vallue=1), "events[1]"),
}


@pytest.mark.parametrize(("event", "path"), BAD.values(), ids=BAD)
def test_a_wrong_field_is_named_and_nothing_is_taken(event: dict[str, Any], path: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        event_request.decode(a_body(an_event(), event))
    assert caught.value.problems[0].path == path


def test_a_bid_id_is_as_long_as_in_a_bundle() -> None:
    (event,) = event_request.decode(a_body(an_event(bid_id="b" * 256)))
    assert event.bid_id == "b" * 256
    with pytest.raises(InvalidRequest) as caught:
        event_request.decode(a_body(an_event(bid_id="b" * 257)))
    assert caught.value.problems[0].path == "events[0].bid_id"


@pytest.mark.parametrize("body", [b"", b"null", b"[]", b'{"events": []}', b"{", b"\xff"])
def test_what_is_no_list_of_events_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        event_request.decode(body)


def test_a_call_takes_a_thousand_events() -> None:
    assert len(event_request.decode(a_body(*[an_event()] * 1000))) == 1000
    with pytest.raises(TooLarge):
        event_request.decode(a_body(*[an_event()] * 1001))


async def test_the_answer_counts_new_and_known_events(intake: EventIntake) -> None:
    event = an_event()
    first = json.loads(await intake(a_body(event, an_event(), event)))
    assert first == {"accepted": 2, "duplicates": 1, "rejected": []}
    again = json.loads(await intake(a_body(event)))
    assert again == {"accepted": 0, "duplicates": 1, "rejected": []}
    assert (intake.accepted, intake.duplicates) == (2, 2)


async def test_hopeless_events_are_named_and_the_others_are_taken(intake: EventIntake) -> None:
    old, early = (NOW + timedelta(days=days) for days in (-31, 1))
    answer = json.loads(
        await intake(
            a_body(
                an_event(),
                an_event(occurred_at=old.isoformat()),
                an_event(occurred_at=early.isoformat()),
                an_event(decision_id=..., context={"slot": "gone", "brand_id": 3}),
                an_event(decision_id=..., context={"slot": "top", "brand": "gone"}),
            )
        )
    )
    assert answer["accepted"] == 1
    assert [(each["index"], each["reason"]) for each in answer["rejected"]] == [
        (1, "too_old"),
        (2, "in_future"),
        (3, "unknown_slot"),
        (4, "unknown_brand"),
    ]


async def test_a_context_may_name_our_ids_or_the_clients(
    intake: EventIntake, store: SlowStore
) -> None:
    event = an_event(decision_id=..., context={"slot": "top", "brand": "shoes"})
    await intake(a_body(event))
    assert store.events[event["event_id"]].context == Context(7, 3)


async def test_concurrent_calls_share_commits(intake: EventIntake, store: SlowStore) -> None:
    await asyncio.gather(*(intake(a_body()) for _ in range(50)))
    assert len(store.events) == 50
    assert store.commits <= 4


async def test_one_id_in_two_concurrent_calls_is_new_in_one(intake: EventIntake) -> None:
    body = a_body(an_event())
    answers = [json.loads(each) for each in await asyncio.gather(*(intake(body) for _ in "abc"))]
    assert sorted(each["accepted"] for each in answers) == [0, 0, 1]


async def test_a_store_that_is_away_is_503(intake: EventIntake, store: SlowStore) -> None:
    store.down = True
    with pytest.raises(StoreUnavailable):
        await intake(a_body())
    store.down = False
    assert json.loads(await intake(a_body()))["accepted"] == 1
    assert intake.waiting == 0


async def test_more_than_may_wait_is_503(store: SlowStore) -> None:
    intake = an_intake(store, waiting_events=3)
    with pytest.raises(Overloaded):
        await intake(a_body(*[an_event()] * 4))
    assert intake.refused == 1


async def test_a_commit_that_takes_too_long_is_503(store: SlowStore) -> None:
    with pytest.raises(StoreUnavailable):
        await an_intake(store, timeout_s=0.001)(a_body())


async def test_one_unwritable_event_costs_nobody_else(store: SlowStore) -> None:
    class Picky(SlowStore):
        async def record(self, events: Sequence[Event]) -> set[str]:
            if any(event.event_id == "poison" for event in events):
                raise InvalidRequest("can't be kept")
            return await super().record(events)

    intake = an_intake(Picky(MemoryDecisions(), (7,), (3,)))
    bodies = [a_body(an_event(event_id="poison")), a_body(), a_body(), a_body()]
    answers = await asyncio.gather(*map(intake, bodies), return_exceptions=True)
    assert [type(each) for each in answers] == [InvalidRequest, bytes, bytes, bytes]


def with_slot(key: int) -> dict[str, Any]:
    context = {"slot_id": key, "brand_id": 3, "device_type": "mobile"}
    return an_event(decision_id=..., context=context)


async def test_slots_that_nobody_tells_in_time_are_an_answer_in_time(store: SlowStore) -> None:
    async def hangs(_: SlotKey) -> int:
        await asyncio.sleep(60)
        return 7

    settings = IngestSettings(timeout_s=0.05)
    intake = EventIntake(store, settings, hangs, find_brand, clock=lambda: NOW)
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailable, match="send the same again"):
            await intake(a_body(with_slot(7)))
    assert intake.refused == 1


async def test_all_slots_of_a_call_are_asked_for_together(store: SlowStore) -> None:
    asked: list[SlotKey] = []
    everyone_asks = asyncio.Event()

    async def waits_for_the_others(key: SlotKey) -> int:
        asked.append(key)
        if len(asked) == 50:
            everyone_asks.set()
        await everyone_asks.wait()
        return await find_slot(key)

    intake = EventIntake(
        store, IngestSettings(), waits_for_the_others, find_brand, clock=lambda: NOW
    )
    events = [with_slot(key) for key in (*range(1, 51), 7, 7)]
    answer = json.loads(await intake(a_body(*events)))
    assert answer["accepted"] == 3
    assert {each["reason"] for each in answer["rejected"]} == {"unknown_slot"}
    assert sorted(asked, key=int) == list(range(1, 51))
