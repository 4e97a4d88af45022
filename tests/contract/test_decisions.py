"""The decision log and its twin answer alike."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import numpy as np
import psycopg
import pytest

from bidding.bundle import SlotTerms
from bidding.errors import StoreUnavailable
from bidding.events import DecisionTerms
from bidding.reasons import Reason
from stores.decision_types import Decision, LoggedDecision, RowRefused, Search, bids_row_of, row_of
from stores.decisions import PostgresDecisions, fetch_terms
from stores.memory_decisions import MemoryDecisions
from stores.postgres import Postgres
from tests.decision_cases import a_decision
from tests.event_cases import NOW, an_id
from tests.servers import free_port

SINCE = NOW - timedelta(days=1)
Log = PostgresDecisions | MemoryDecisions


@pytest.fixture(params=["postgres", "memory"])
async def log(request: pytest.FixtureRequest, empty_postgres_url: str) -> AsyncIterator[Log]:
    if request.param == "memory":
        yield MemoryDecisions()
        return
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute("TRUNCATE decision, decision_bids")
    postgres = Postgres(empty_postgres_url, timeout_s=5)
    yield PostgresDecisions(postgres)
    await postgres.aclose()


async def record(log: Log, *decisions: Decision, compact: bool = False) -> None:
    rows = [row_of(decision) for decision in decisions]
    await log.record(rows, [] if compact else [bids_row_of(each) for each in decisions])


async def found(log: Log, **tests: object) -> list[int]:
    """The numbers (last bytes of the ids) of what a search finds."""
    decisions = await log.search(Search(since=SINCE, **tests))  # type: ignore[arg-type]
    return [decision.decision_id.int & 0xFF for decision in decisions]


async def recent(log: Log, limit: int, simulated: bool | None = None) -> list[LoggedDecision]:
    return [one async for page in log.fetch_recent(limit, simulated=simulated) for one in page]


async def test_a_decision_comes_back_as_it_was(log: Log) -> None:
    decision = a_decision(degraded=("features",), propensity=0.25)
    await record(log, decision)
    logged = await log.fetch_one(decision.decision_id)
    assert logged is not None
    assert logged.bids is not None
    winner = decision.evaluation.winner
    assert logged.winner is not None
    assert logged.winner.clearing_vpi == winner.clearing_vpi  # type: ignore[union-attr]
    assert logged.decided_at == NOW
    assert (logged.device_type, logged.auction) == ("mobile", "second_price")
    assert (logged.models, logged.degraded) == ({"ctr": "3", "cvr": None}, ("features",))
    assert logged.context["segments"] == ["10063", "news"]
    assert (logged.propensity, logged.floor, logged.bid_count) == (0.25, 0.05, 5)
    assert sum(logged.reasons.values()) == 5
    assert logged.reasons[Reason.UNKNOWN_BRAND] == 1
    np.testing.assert_array_equal(logged.bids.vpi, decision.evaluation.vpi)


async def test_a_decision_without_a_winner_is_logged(log: Log) -> None:
    await record(log, a_decision(slot=SlotTerms(slot_id=7, paused=True)))
    logged = await log.fetch_one(an_id())
    assert logged is not None
    assert logged.winner is None


async def test_an_unknown_decision_is_none(log: Log) -> None:
    assert await log.fetch_one(an_id(99)) is None


async def test_a_decision_without_its_bids_is_still_there(log: Log) -> None:
    await record(log, a_decision(), compact=True)
    logged = await log.fetch_one(an_id())
    assert logged is not None
    assert logged.bids is None
    assert logged.winner is not None
    assert await recent(log, 10) == []


async def test_recent_decisions_come_newest_first_in_pages(log: Log) -> None:
    count = 1_203
    decisions = [
        a_decision(1, NOW - timedelta(seconds=number), bids=2, simulated=number % 2 == 1)
        for number in range(count)
    ]
    await record(log, *decisions)
    newest = await recent(log, 1_000)
    assert [one.decided_at for one in newest] == [one.decided_at for one in decisions[:1_000]]
    assert len(await recent(log, 5_000)) == count
    assert {one.simulated for one in await recent(log, 100, simulated=True)} == {True}


async def test_decisions_are_found_by_slot_brand_and_reason(log: Log) -> None:
    first, second, third = (a_decision(number, bids=number + 2) for number in (1, 2, 3))
    elsewhere = replace(a_decision(4, bids=2), slot=SlotTerms(slot_id=8))
    await record(log, first, second, third, elsewhere)
    assert await found(log) == [4, 3, 2, 1]
    assert await found(log, slot_id=8) == [4]
    assert await found(log, brand_id=4) == [3]
    assert await found(log, brand_id=2) == [3, 2, 1]
    assert await found(log, reason=int(Reason.UNKNOWN_BRAND), slot_id=7) == [3, 2, 1]
    won = {
        number: int(decision.evaluation.bids.brand_ids[decision.evaluation.order[0]])
        for number, decision in ((1, first), (2, second), (3, third))
    }
    for brand in set(won.values()):
        expected = [number for number in (3, 2, 1) if won[number] == brand]
        assert await found(log, slot_id=7, brand_id=brand, reason=int(Reason.WON)) == expected


async def test_a_search_goes_on_where_the_last_page_ended(log: Log) -> None:
    await record(log, *(a_decision(number, bids=2) for number in range(1, 6)))
    assert await found(log, limit=2) == [5, 4]
    assert await found(log, limit=2, before=an_id(4)) == [3, 2]


async def test_what_is_older_than_asked_for_is_not_looked_at(log: Log) -> None:
    await record(log, a_decision(1, SINCE - timedelta(seconds=1)), a_decision(2, SINCE))
    assert await found(log) == [2]


async def test_a_winner_is_found_where_bids_were_not_kept(log: Log) -> None:
    decision = a_decision()
    await record(log, decision, compact=True)
    winner = int(decision.evaluation.bids.brand_ids[decision.evaluation.order[0]])
    assert await found(log, brand_id=winner) == [1]


async def test_rows_are_written_all_or_none(log: Log) -> None:
    good, bad = a_decision(1), a_decision(2)
    if isinstance(log, MemoryDecisions):
        log.refuses = {bad.decision_id}
    broken = row_of(replace(bad, device_type="a\0b"))
    with pytest.raises(RowRefused):
        await log.record([row_of(good), broken], [bids_row_of(good)])
    assert await log.known([row_of(good), broken]) == set()
    await record(log, good)
    assert await log.known([row_of(good), broken]) == {good.decision_id}
    with pytest.raises(RowRefused):
        await record(log, good)


async def test_events_learn_the_deal_from_the_log(log: Log, empty_postgres_url: str) -> None:
    decision = a_decision(bids=6)
    await record(log, decision)
    order = decision.evaluation.order.tolist()
    names = [decision.evaluation.bids.bid_ids[index] for index in order]
    terms = await terms_of(log, empty_postgres_url, decision.decision_id, {*names, "b6", "b99"})
    assert terms is not None
    assert terms.winner is not None
    assert terms.winner.bid_id == names[0]
    assert terms.winner.creative_type == decision.creative_types[order[0]]
    price = decision.evaluation.winner.clearing_amount  # type: ignore[union-attr]
    assert float(terms.winner.price) == price
    losers = set(terms.others) - {names[0]}
    assert losers == set(names[1:])
    assert await terms_of(log, empty_postgres_url, an_id(99), {""}) is None


async def test_events_find_the_slot_that_a_decision_could_only_name(
    log: Log, empty_postgres_url: str
) -> None:
    slot = SlotTerms(slot_id=0, floor=0.05)
    decision = a_decision(slot=slot, context={"slot": "late"})
    await record(log, decision)
    terms = await terms_of(log, empty_postgres_url, decision.decision_id, set())
    assert terms is not None
    assert terms.slot_id == 0
    if isinstance(log, MemoryDecisions):
        log.slots["late"] = number = 70
    else:
        number = add_slot(empty_postgres_url, "late")
    terms = await terms_of(log, empty_postgres_url, decision.decision_id, set())
    assert terms is not None
    assert terms.slot_id == number


def add_slot(url: str, key: str) -> int:
    with psycopg.connect(url) as connection:
        partner = connection.execute(
            "INSERT INTO partner (external_key, name) VALUES (%s, %s) RETURNING id", (key, key)
        ).fetchone()
        assert partner is not None
        row = connection.execute(
            "INSERT INTO slot (external_key, name, partner_id, placement_score, floor)"
            " VALUES (%s, %s, %s, 0.5, 0) RETURNING id",
            (key, key, partner[0]),
        ).fetchone()
    assert row is not None
    return int(row[0])


async def terms_of(log: Log, url: str, decision_id: UUID, names: set[str]) -> DecisionTerms | None:
    if isinstance(log, MemoryDecisions):
        return log.terms(decision_id, names)
    postgres = Postgres(url)
    async with postgres.transaction() as connection:
        found = await fetch_terms(connection, {decision_id: names})
    await postgres.aclose()
    return found.get(decision_id)


async def test_a_log_that_is_away_says_so() -> None:
    away = PostgresDecisions(Postgres(f"postgresql://x@127.0.0.1:{free_port()}/x", timeout_s=0.2))
    twin = MemoryDecisions()
    twin.down = True
    logs: tuple[Log, ...] = (away, twin)
    for log in logs:
        with pytest.raises(StoreUnavailable):
            await record(log, a_decision())
        with pytest.raises(StoreUnavailable):
            await log.fetch_one(an_id())
