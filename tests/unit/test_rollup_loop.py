import asyncio
from collections.abc import Callable

from bidding.errors import StoreUnavailable
from deployments.rollup import RollupLoop
from stores.event_settings import RollupSettings


class Store:
    """Batches that are due; an exception stands for an attempt that fails."""

    def __init__(self, *due: int | Exception) -> None:
        self.due = list(due)
        self.told = 0

    async def advance(self) -> int:
        found = self.due.pop(0) if self.due else 0
        if isinstance(found, Exception):
            raise found
        return found

    async def refresh(self) -> int:
        self.told += 1
        return 0

    async def backlog(self) -> int:
        return sum(each for each in self.due if isinstance(each, int))


async def run(loop: RollupLoop, until: Callable[[], bool]) -> None:
    tasks = [asyncio.create_task(loop.count()), asyncio.create_task(loop.refresh())]
    async with asyncio.timeout(5):
        while not until():  # noqa: ASYNC110 (what is waited for is no event)
            await asyncio.sleep(0.005)
    for task in tasks:
        task.cancel()


async def test_full_batches_follow_at_once() -> None:
    store = Store(10, 10, 3, 10)
    settings = RollupSettings(every_s=60, refresh_s=0.01, batch_events=10)
    loop = RollupLoop(store, settings)
    await run(loop, lambda: len(store.due) == 1)
    assert (loop.counted, loop.failed) == (23, 0)
    assert store.told > 0


async def test_no_failure_ends_the_loop() -> None:
    store = Store(StoreUnavailable("down"), ValueError("a bug"), 5)
    loop = RollupLoop(store, RollupSettings(every_s=0.01, refresh_s=60), retry_s=0.01)
    await run(loop, lambda: loop.counted == 5)
    assert loop.failed == 2
