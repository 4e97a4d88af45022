"""One answer for people who look at the same time."""

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Hashable
from functools import partial
from typing import Any, Generic, TypeVar

Found = TypeVar("Found")
Asked = TypeVar("Asked", bound=Hashable)


class Lately(Generic[Found]):
    """`await lately()` is what `ask` gives, or gave to somebody at most `kept_s` ago.

    Who comes while an answer is on its way waits for that one. An error is told to all who wait for
    it, and kept for nobody else.
    """

    def __init__(
        self,
        ask: Callable[[], Coroutine[Any, Any, Found]],
        kept_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._clock = clock
        self._asked_at = 0.0
        self._held: asyncio.Task[Found] | None = None

    async def __call__(self) -> Found:
        now, held = self._clock(), self._held
        if held is None or (held.done() and now - self._asked_at >= self._kept_s):
            held = self._held = asyncio.create_task(self._ask())
            self._asked_at = now
        try:
            return await asyncio.shield(held)
        except Exception:
            if self._held is held:
                self._held = None
            raise

    def forget(self) -> None:
        """Something was changed here: who looks next shall see it."""
        self._held = None


class LatelyBy(Generic[Asked, Found]):
    """`await lately(asked)`: a `Lately` for each of the `most` things that were asked for last."""

    def __init__(
        self,
        ask: Callable[[Asked], Coroutine[Any, Any, Found]],
        kept_s: float,
        most: int = 16,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._kept_s = kept_s
        self._most = most
        self._clock = clock
        self._held: OrderedDict[Asked, Lately[Found]] = OrderedDict()

    async def __call__(self, asked: Asked) -> Found:
        found = self._held.get(asked)
        if found is None:
            found = Lately(partial(self._ask, asked), self._kept_s, self._clock)
            self._held[asked] = found
            if len(self._held) > self._most:
                self._held.popitem(last=False)
        self._held.move_to_end(asked)
        return await found()
