"""Live quality and its twin: predictions against what came of them."""

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from decimal import Decimal

import psycopg
import pytest

from bidding.attribution import Outcome, OutcomeKey, Step
from bidding.auction import Winner
from bidding.watch import Failures
from stores.decision_types import Decision, row_of
from stores.decisions import PostgresDecisions
from stores.live_quality import LiveQuality, PostgresLiveQuality, ShadowRow, Span
from stores.memory_live_quality import MemoryLiveQuality
from stores.model_registry import CTR_MODEL, CVR_MODEL
from stores.outcome_rows import put_outcomes
from stores.postgres import Postgres
from tests.decision_cases import a_decision
from tests.event_cases import HERE, NOW

SPAN = Span(NOW - timedelta(hours=1), NOW + timedelta(hours=1))
ONE, TWO = {"ctr": "1", "cvr": "7"}, {"ctr": "2", "cvr": None}


def decisions() -> list[Decision]:
    """Twelve, one a minute, the first eight by version 1, every fourth without its models."""
    return [
        a_decision(
            number,
            NOW + timedelta(minutes=number),
            models=ONE if number < 8 else TWO,
            degraded=("scoring",) if number % 4 == 0 else (),
        )
        for number in range(12)
    ]


def outcome_of(number: int, decision: Decision, *, simulated: bool = False) -> Outcome:
    """Every second impression is clicked, every fourth converted."""
    at = decision.decided_at
    won = decision.evaluation.winner
    assert isinstance(won, Winner)
    return Outcome(
        OutcomeKey(decision.decision_id, decision.evaluation.bids.bid_ids[won.index]),
        HERE,
        simulated,
        Step(f"i{number}", at, Decimal(0)),
        Step(f"c{number}", at, Decimal(1)) if number % 2 == 0 else None,
        Step(f"v{number}", at, Decimal(0)) if number % 4 == 0 else None,
    )


def predicted(rate: str, numbers: list[int]) -> float:
    rows = [row_of(decision) for decision in decisions()]
    return float(sum(rows[number][-2 if rate == "ctr" else -1] for number in numbers))


@pytest.fixture(params=["postgres", "memory"])
async def quality(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[LiveQuality]:
    found = decisions()
    outcomes = [
        outcome_of(number, decision, simulated=number == 7) for number, decision in enumerate(found)
    ]
    if request.param == "memory":
        memory = MemoryLiveQuality()
        for decision, outcome in zip(found, outcomes, strict=True):
            memory.add(row_of(decision), outcome)
        yield memory
        return
    with psycopg.connect(postgres_url) as connection:
        connection.execute("TRUNCATE decision, outcome, shadow_score, decision_minute")
    postgres = Postgres(postgres_url, timeout_s=5)
    await PostgresDecisions(postgres).record([row_of(decision) for decision in found], [])
    async with postgres.transaction() as connection:
        await put_outcomes(connection, {each.key: each for each in outcomes}, ())
    yield PostgresLiveQuality(postgres)
    await postgres.aclose()


async def test_predictions_of_a_version_are_summed_over_its_real_impressions(
    quality: LiveQuality,
) -> None:
    found = await quality.served(CTR_MODEL, "1", SPAN)
    assert (found.rows, found.actual) == (7, 4)  # number 7 is simulated
    assert found.predicted == pytest.approx(predicted("ctr", list(range(7))), rel=1e-5)
    assert (await quality.served(CTR_MODEL, "3", SPAN)).rows == 0


async def test_conversions_are_counted_among_clicks(quality: LiveQuality) -> None:
    found = await quality.served(CVR_MODEL, "7", SPAN)
    assert (found.rows, found.actual) == (4, 2)
    assert found.predicted == pytest.approx(predicted("cvr", [0, 2, 4, 6]), rel=1e-5)


async def test_simulated_outcomes_speak_where_there_are_no_real_ones(quality: LiveQuality) -> None:
    late = replace(SPAN, since=NOW + timedelta(minutes=7))
    assert (await quality.served(CTR_MODEL, "1", late)).rows == 1


async def test_only_the_newest_are_looked_at(quality: LiveQuality) -> None:
    assert (await quality.served(CTR_MODEL, "2", replace(SPAN, limit=3))).rows == 3
    assert (await quality.served(CTR_MODEL, "1", replace(SPAN, limit=3))).rows == 0


async def test_bundles_without_their_models_are_counted(quality: LiveQuality) -> None:
    assert await quality.failures(SPAN) == Failures(12, 3)
    assert await quality.failures(replace(SPAN, until=NOW)) == Failures()


async def test_both_models_are_held_against_the_same_impressions(quality: LiveQuality) -> None:
    rows = [
        ShadowRow(each.decision_id, CTR_MODEL, bid_id, each.decided_at, "1", "2", 0.25, 0.5)
        for number, each in enumerate(decisions()[:4])
        for bid_id in [outcome_of(number, each).key.bid_id if number else "gone"]
    ]
    await quality.record_shadow(rows)
    found = await quality.side_by_side(CTR_MODEL, "1", "2", SPAN)
    assert (found.bundles, found.champion.rows, found.champion.actual) == (4, 3, 1)
    assert (found.champion.predicted, found.challenger.predicted) == (0.75, 1.5)
    await quality.forget_shadow(NOW + timedelta(minutes=3))
    assert (await quality.side_by_side(CTR_MODEL, "1", "2", SPAN)).bundles == 1
