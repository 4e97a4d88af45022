"""People who look at the same time share one answer; an error is nobody's answer later."""

import asyncio

import pytest

from bidding.errors import StoreUnavailable
from deployments.lately import Lately, LatelyBy

KEPT_S = 2.0


class Source:
    """Counts who asks; answers when it is let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.now = 100.0
        self.down = False
        self.go = asyncio.Event()
        self.go.set()
        self.lately = Lately(self.ask, KEPT_S, lambda: self.now)

    async def ask(self) -> int:
        self.asked += 1
        number = self.asked
        await self.go.wait()
        if self.down:
            raise StoreUnavailable("away")
        return number


@pytest.fixture
async def source() -> Source:
    return Source()


async def test_an_answer_is_kept_for_so_long(source: Source) -> None:
    assert [await source.lately(), await source.lately()] == [1, 1]
    source.now += KEPT_S
    assert await source.lately() == 2


async def test_who_comes_while_an_answer_is_on_its_way_waits_for_it(source: Source) -> None:
    source.go.clear()
    both = asyncio.gather(source.lately(), source.lately())
    await asyncio.sleep(0)
    source.go.set()
    assert await both == [1, 1]


async def test_a_slow_answer_is_not_asked_for_again_while_it_is_on_its_way(source: Source) -> None:
    source.go.clear()
    waiting = []
    for _ in range(3):
        waiting.append(asyncio.create_task(source.lately()))
        await asyncio.sleep(0)
        source.now += KEPT_S
    source.go.set()
    assert await asyncio.gather(*waiting) == [1, 1, 1]
    assert await source.lately() == 2


async def test_who_gives_up_takes_the_answer_from_nobody(source: Source) -> None:
    source.go.clear()
    first, second = (asyncio.create_task(source.lately()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    source.go.set()
    assert await second == 1
    assert first.cancelled()


async def test_an_error_is_told_to_those_who_wait_and_kept_for_nobody(source: Source) -> None:
    source.down = True
    told = await asyncio.gather(source.lately(), source.lately(), return_exceptions=True)
    assert [type(each) for each in told] == [StoreUnavailable, StoreUnavailable]
    assert source.asked == 1
    source.down = False
    assert await source.lately() == 2


async def test_after_a_change_here_the_next_one_asks_anew(source: Source) -> None:
    await source.lately()
    source.lately.forget()
    assert await source.lately() == 2


async def test_each_thing_that_is_asked_for_has_its_own_answer(source: Source) -> None:
    async def ask(name: str) -> str:
        return f"{name}{await source.ask()}"

    lately = LatelyBy(ask, KEPT_S, most=2, clock=lambda: source.now)
    assert [await lately(name) for name in "abab"] == ["a1", "b2", "a1", "b2"]
    assert await lately("c") == "c3"  # in the place of the one that nobody asked for the longest
    assert [await lately(name) for name in "ba"] == ["b2", "a4"]
