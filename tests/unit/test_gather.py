import asyncio
from collections.abc import Sequence

import pytest

from deployments.gather import Gather


class Remote:
    """Answers `item * 10` once released; remembers what each call carried."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.release = asyncio.Event()

    async def __call__(self, items: Sequence[int]) -> list[int | BaseException]:
        self.calls.append(list(items))
        await self.release.wait()
        return [ValueError("bad item") if item < 0 else item * 10 for item in items]


async def test_a_lone_caller_is_sent_at_once() -> None:
    remote = Remote()
    remote.release.set()
    gather = Gather[int, int](remote, max_weight=100)
    assert await gather.ask(1) == 10
    assert remote.calls == [[1]]


async def test_callers_during_a_call_share_the_next_one() -> None:
    remote = Remote()
    gather = Gather[int, int](remote, max_weight=100)
    tasks = [asyncio.create_task(gather.ask(n)) for n in range(5)]
    await asyncio.sleep(0)
    remote.release.set()
    assert await asyncio.gather(*tasks) == [0, 10, 20, 30, 40]
    assert remote.calls == [[0], [1, 2, 3, 4]]


async def test_a_call_carries_no_more_than_its_weight() -> None:
    remote = Remote()
    gather = Gather[int, int](remote, max_weight=100)
    tasks = [asyncio.create_task(gather.ask(n, weight=60)) for n in range(3)]
    await asyncio.sleep(0)
    remote.release.set()
    await asyncio.gather(*tasks)
    assert remote.calls == [[0], [1], [2]]


async def test_one_bad_item_fails_alone() -> None:
    remote = Remote()
    gather = Gather[int, int](remote, max_weight=100)
    tasks = [asyncio.create_task(gather.ask(n)) for n in (1, -2, 3)]
    await asyncio.sleep(0)
    remote.release.set()
    first, second, third = await asyncio.gather(*tasks, return_exceptions=True)
    assert (first, third) == (10, 30)
    assert isinstance(second, ValueError)


async def test_a_caller_past_its_deadline_leaves_the_others_untouched() -> None:
    remote = Remote()
    gather = Gather[int, int](remote, max_weight=100)
    first = asyncio.create_task(gather.ask(1))
    late = asyncio.create_task(asyncio.wait_for(gather.ask(2), 0.01))
    third = asyncio.create_task(gather.ask(3))
    with pytest.raises(TimeoutError):
        await late
    remote.release.set()
    assert await asyncio.gather(first, third) == [10, 30]
    assert remote.calls == [[1], [3]]


async def test_a_failed_call_fails_its_own_callers_only() -> None:
    calls = 0

    async def send(items: Sequence[int]) -> list[int]:
        nonlocal calls
        calls += 1
        await asyncio.sleep(0)
        if calls == 1:
            raise ConnectionError("replica died")
        return list(items)

    gather = Gather[int, int](send, max_weight=100)
    first, second = await asyncio.gather(gather.ask(1), gather.ask(2), return_exceptions=True)
    assert isinstance(first, ConnectionError)
    assert second == 2
