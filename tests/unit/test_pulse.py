"""An ingress that no bundle comes to still knows what scoring answers."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bidding.errors import StoreUnavailable
from deployments.pulse import AWAY_S, EVERY_S, Pulse


class Scoring:
    """Answers at once, unless it is down; its clock stands until it is put on."""

    def __init__(self) -> None:
        self.now = 1_000.0
        self.answered_at = float("-inf")
        self.error: Exception | None = None
        self.asked = 0
        self.pulse = Pulse(self.ask, lambda: self.answered_at, every_s=0.0, clock=lambda: self.now)

    async def ask(self) -> None:
        self.asked += 1
        if self.error is not None:
            raise self.error
        self.answered_at = self.now


@pytest.fixture
async def scoring() -> AsyncIterator[Scoring]:
    found = Scoring()
    yield found
    await found.pulse.aclose()


async def turns() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_scoring_is_away_until_it_answered_and_when_it_answers_no_more(
    scoring: Scoring,
) -> None:
    assert scoring.pulse.away
    scoring.pulse.start()
    await turns()
    assert not scoring.pulse.away
    scoring.error = StoreUnavailable("down")
    scoring.now += AWAY_S
    await turns()
    assert not scoring.pulse.away
    scoring.now += 0.001
    assert scoring.pulse.away
    scoring.error = None
    await turns()
    assert not scoring.pulse.away


@pytest.mark.parametrize("error", [StoreUnavailable("down"), RuntimeError("a bug")])
async def test_no_error_ends_the_asking(scoring: Scoring, error: Exception) -> None:
    scoring.error = error
    scoring.pulse.start()
    await turns()
    assert scoring.asked > 1


async def test_nobody_asks_while_bundles_do() -> None:
    scoring = Scoring()
    pulse = Pulse(scoring.ask, lambda: scoring.answered_at, EVERY_S, lambda: scoring.now)
    scoring.answered_at = scoring.now - EVERY_S / 2
    pulse.start()
    await turns()
    assert scoring.asked == 0
    await pulse.aclose()
    scoring.answered_at = scoring.now - EVERY_S
    pulse.start()
    await turns()
    assert scoring.asked == 1
    await pulse.aclose()
