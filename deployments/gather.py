"""Gathering: concurrent callers share one remote call while another is in flight.

A lone caller is sent at once; nobody waits for a timer. Under load the group grows by
itself to whatever arrived during one round trip, so the cost of a call is shared.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from contextvars import Context, copy_context
from typing import Generic, TypeVar

Item = TypeVar("Item")
Answer = TypeVar("Answer")
Send = Callable[[Sequence[Item]], Awaitable[Sequence[Answer | BaseException]]]


class Gather(Generic[Item, Answer]):
    """Turns `await ask(item)` of many callers into few `send(items)` calls.

    `send` answers in order, one answer or exception an item, so one bad item fails alone.
    At most `max_in_flight` calls are under way; a call carries at most `max_weight` weight.
    """

    def __init__(
        self, send: Send[Item, Answer], *, max_weight: int, max_in_flight: int = 1
    ) -> None:
        self._send = send
        self._max_weight = max_weight
        self._max_in_flight = max_in_flight
        self._in_flight = 0
        self._waiting: deque[tuple[Item, int, asyncio.Future[Answer], Context]] = deque()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def waiting(self) -> int:
        """How many callers wait for a call to leave."""
        return len(self._waiting)

    async def ask(self, item: Item, weight: int = 1) -> Answer:
        """The answer to `item`. Raises what `send` gave for it, or what `send` raised.

        A caller that is cancelled (its deadline passed) leaves the others untouched.
        """
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, weight, future, copy_context()))
        if self._in_flight < self._max_in_flight:
            self._launch()
        return await future

    def _launch(self) -> None:
        group, context = self._take()
        if group:
            # In its first caller's name: log lines of the call carry that one's trace.
            self._in_flight += 1
            task = asyncio.create_task(self._call(group), context=context)
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def _take(self) -> tuple[list[tuple[Item, asyncio.Future[Answer]]], Context | None]:
        group: list[tuple[Item, asyncio.Future[Answer]]] = []
        weight, first = 0, None
        while self._waiting:
            item, cost, future, context = self._waiting[0]
            if group and weight + cost > self._max_weight:
                break
            self._waiting.popleft()
            if not future.done():
                group.append((item, future))
                weight += cost
                first = first or context
        return group, first

    async def _call(self, group: list[tuple[Item, asyncio.Future[Answer]]]) -> None:
        try:
            answers = await self._send([item for item, _ in group])
        except Exception as error:  # the boundary to another process: any failure is the answer
            answers = [error] * len(group)
        finally:
            self._in_flight -= 1
            if self._waiting:
                self._launch()
        for (_, future), answer in zip(group, answers, strict=True):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer)
