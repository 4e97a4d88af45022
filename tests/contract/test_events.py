"""Events and their rollup, and the twin of both, count alike."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import psycopg
import pytest

from bidding.bundle import SlotTerms
from bidding.decision_ids import decision_id
from bidding.errors import StoreUnavailable
from bidding.events import Context, Event, EventType
from stores.decision_types import bids_row_of, row_of
from stores.decisions import PostgresDecisions
from stores.event_settings import RollupSettings
from stores.event_types import Totals
from stores.events import PostgresEvents
from stores.memory_decisions import MemoryDecisions
from stores.memory_events import MemoryEvents
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup
from tests.decision_cases import a_decision
from tests.servers import free_port

NOW = datetime.now(UTC).replace(minute=30, second=0, microsecond=0) - timedelta(hours=2)
HOUR = timedelta(hours=1)
CLEARED = (
    "performance, pair_total, brand_total, slot_hour, brand_hour, keyless_count, outcome,"
    " decision, decision_bids, event, event_key, event_batch, event_waiting, rollup_owed"
)


@dataclass
class System:
    """The store under test, told apart only where its state is looked at."""

    decisions: PostgresDecisions | MemoryDecisions
    events: PostgresEvents | MemoryEvents
    rollup: PostgresRollup | MemoryEvents
    url: str | None

    async def report(self, *events: Event) -> set[str]:
        return await self.events.record(events)

    async def count(self) -> None:
        """Until nothing is due any more."""
        if self.url is not None:
            with psycopg.connect(self.url) as connection:
                connection.execute("UPDATE event_waiting SET retry_at = now()")
        await self.rollup.advance()

    def totals(self) -> Totals:
        if isinstance(self.rollup, MemoryEvents):
            return self.rollup.totals()
        return Totals(*self._row("sum(impressions), sum(clicks), sum(conversions), sum(revenue)"))

    def hours(self) -> dict[datetime, int]:
        """Impressions by hour."""
        if isinstance(self.rollup, MemoryEvents):
            found = self.rollup.performance.items()
            return {cell.hour_at: counts.impressions for cell, counts in found}
        with self._connect() as connection:
            return dict(connection.execute("SELECT hour_at, impressions FROM performance"))  # type: ignore[arg-type]

    def flags(self, event_id: str) -> set[str]:
        if isinstance(self.rollup, MemoryEvents):
            return {flag.value for flag in self.rollup.flags[event_id]}
        with self._connect() as connection:
            query = "SELECT flags FROM event WHERE event_id = %s"
            row = connection.execute(query, (event_id,)).fetchone()
        assert row is not None
        return set(row[0])

    def _row(self, columns: str) -> tuple[object, ...]:
        with self._connect() as connection:
            row = connection.execute(f"SELECT {columns} FROM performance").fetchone()
        assert row is not None
        return tuple(value or 0 for value in row)

    def _connect(self) -> psycopg.Connection:
        assert self.url is not None
        return psycopg.connect(self.url)


@pytest.fixture(params=["postgres", "memory"])
async def system(
    request: pytest.FixtureRequest, postgres_url: str, redis_url: str
) -> AsyncIterator[System]:
    if request.param == "memory":
        decisions = MemoryDecisions()
        twin = MemoryEvents(decisions, range(1, 9), range(1, 7))
        yield System(decisions, twin, twin, None)
        return
    with psycopg.connect(postgres_url) as connection:
        connection.execute(f"TRUNCATE {CLEARED}")
    postgres, redis = Postgres(postgres_url, timeout_s=5), RedisCache(redis_url)
    publisher = Publisher(postgres, redis)
    rollup = PostgresRollup(postgres, publisher, RollupSettings(settle_s=0))
    yield System(PostgresDecisions(postgres), PostgresEvents(postgres), rollup, postgres_url)
    await publisher.aclose()
    await redis.aclose()
    await postgres.aclose()


async def decide(system: System, number: int = 1, at: datetime = NOW, **changes: object) -> UUID:
    """A logged decision on slot 7 that some brand won; its winner may be reported."""
    decision = a_decision(number, at, bids=4, **changes)  # type: ignore[arg-type]
    await system.decisions.record([row_of(decision)], [bids_row_of(decision)])
    return decision.decision_id


def an_event(type_: str, decision: UUID | None, **changes: object) -> Event:
    fields: dict[str, object] = {
        "event_id": str(uuid4()),
        "type": EventType(type_),
        "occurred_at": NOW,
        "decision_id": decision,
    }
    return Event(**fields | changes)  # type: ignore[arg-type]


def of(system: System) -> tuple[int, int, int]:
    totals = system.totals()
    return totals.impressions, totals.clicks, totals.conversions


async def test_an_impression_its_click_and_its_conversion_count_once(system: System) -> None:
    decision = await decide(system)
    for type_ in ("impression", "click", "conversion"):
        await system.report(an_event(type_, decision, value=Decimal(2)))
        await system.count()
    assert of(system) == (1, 1, 1)
    assert system.totals().revenue > 0


async def test_the_same_event_id_counts_once_in_one_call_and_in_two(system: System) -> None:
    impression = an_event("impression", await decide(system))
    assert await system.report(impression, impression) == {impression.event_id}
    assert await system.report(impression) == set()
    later = an_event("impression", None, event_id=impression.event_id, occurred_at=NOW + HOUR)
    assert await system.report(later) == set()
    await system.count()
    assert of(system) == (1, 0, 0)


async def test_events_count_in_the_hour_of_their_impression_however_late(system: System) -> None:
    decision = await decide(system)
    seen_at = NOW - timedelta(days=20)
    await system.report(an_event("click", decision, occurred_at=seen_at + 3 * HOUR))
    await system.count()
    assert of(system) == (0, 0, 0)
    await system.report(an_event("impression", decision, occurred_at=seen_at))
    await system.count()
    assert of(system) == (1, 1, 0)
    assert system.hours() == {seen_at.replace(minute=0): 1}


async def test_a_click_without_an_impression_is_kept_and_flagged(system: System) -> None:
    decision = await decide(system)
    click = an_event("click", decision)
    await system.report(click)
    await system.count()
    assert of(system) == (0, 0, 0)
    assert system.flags(click.event_id) == {"orphan"}
    await system.report(an_event("impression", decision))
    await system.count()
    assert of(system) == (1, 1, 0)
    assert system.flags(click.event_id) == set()


async def test_a_second_click_of_one_impression_is_a_repeat(system: System) -> None:
    decision = await decide(system)
    second = an_event("click", decision, occurred_at=NOW + HOUR)
    await system.report(an_event("impression", decision), an_event("click", decision))
    await system.count()
    await system.report(second)
    await system.count()
    assert of(system) == (1, 1, 0)
    assert system.flags(second.event_id) == {"repeat"}


async def test_an_event_waits_for_its_decision_to_be_logged(system: System) -> None:
    at = datetime.now(UTC)
    decision = decision_id(at, (9).to_bytes(10, "big"))
    impression = an_event("impression", decision, occurred_at=at)
    await system.report(impression)
    await system.count()
    assert of(system) == (0, 0, 0)
    assert system.flags(impression.event_id) == {"pending"}
    await decide(system, 9, at)
    await system.count()
    assert of(system) == (1, 0, 0)
    assert system.flags(impression.event_id) == set()


async def test_an_event_with_a_context_waits_for_a_decision_that_is_logged_late(
    system: System,
) -> None:
    """PostgreSQL was away: what an ingress kept is logged after the events that were sent again."""
    late = decision_id(NOW, (9).to_bytes(10, "big"))
    here = Context(1, 2, "mobile", "banner")
    impression, click = (
        an_event(type_, late, context=here, occurred_at=NOW + timedelta(minutes=1))
        for type_ in ("impression", "click")
    )
    await system.report(impression)
    await system.count()
    assert system.flags(impression.event_id) == {"pending"}
    await decide(system, 9)
    await system.report(click)
    await system.count()
    assert of(system) == (1, 1, 0)
    assert system.flags(impression.event_id) == system.flags(click.event_id) == set()


async def test_an_event_of_a_decision_that_can_never_be_logged_is_kept_uncounted(
    system: System,
) -> None:
    stray = an_event("impression", uuid4())
    await system.report(stray)
    await system.count()
    assert system.flags(stray.event_id) == {"uncounted"}


async def test_events_without_a_decision_count_by_their_own_context(system: System) -> None:
    here = Context(3, 2, "mobile", "banner")
    seen, clicked = (
        an_event(type_, None, context=here, value=Decimal("0.25"))
        for type_ in ("impression", "click")
    )
    await system.report(clicked)
    await system.count()
    assert of(system) == (0, 0, 0)
    await system.report(seen)
    await system.count()
    assert of(system) == (1, 1, 0)
    assert system.totals().revenue == Decimal("0.5")


async def test_a_decision_of_a_slot_that_is_gone_stops_nothing(system: System) -> None:
    gone = await decide(system, 2, slot=SlotTerms(slot_id=999, floor=0.0))
    lost = an_event("impression", gone)
    await system.report(lost, an_event("impression", await decide(system)))
    await system.count()
    assert of(system) == (1, 0, 0)
    assert system.flags(lost.event_id) == {"uncounted"}


async def test_a_bid_that_the_decision_never_saw_is_kept_uncounted(system: System) -> None:
    event = an_event("impression", await decide(system), bid_id="nobody")
    await system.report(event)
    await system.count()
    assert system.flags(event.event_id) == {"uncounted"}


async def test_a_loser_that_was_shown_instead_counts_for_its_own_brand(system: System) -> None:
    decision = await decide(system)
    await system.report(an_event("impression", decision), *[
        an_event("impression", decision, bid_id=bid_id) for bid_id in ("b1", "b2", "b3")
    ])  # fmt: skip
    await system.count()
    assert of(system)[0] == 3  # the winner is one of the three, and was shown once


async def test_what_was_counted_is_told_once(system: System) -> None:
    await system.report(an_event("impression", await decide(system)))
    assert await system.rollup.refresh() == 0
    await system.count()
    assert await system.rollup.refresh() == 1
    assert await system.rollup.refresh() == 0


async def test_the_backlog_is_what_nobody_has_looked_at(system: System) -> None:
    await system.report(an_event("impression", await decide(system)))
    assert await system.rollup.backlog() == 1
    await system.count()
    assert await system.rollup.backlog() == 0


async def test_a_store_that_is_down_says_so() -> None:
    nowhere = Postgres(f"postgresql://postgres@127.0.0.1:{free_port()}/none")
    with pytest.raises(StoreUnavailable):
        await PostgresEvents(nowhere).record([an_event("impression", None)])
    twin = MemoryEvents(MemoryDecisions(), (), (), down=True)
    with pytest.raises(StoreUnavailable):
        await twin.record([an_event("impression", None)])
    await nowhere.aclose()
