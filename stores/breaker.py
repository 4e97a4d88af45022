"""A circuit breaker: a store that does not answer is left alone, and probed on the side."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from bidding.errors import StoreUnavailable

Probe = Callable[[], Awaitable[object]]


class Breaker:
    """Opens after failures in a row; a background task probes and closes it again.

    No caller pays for a probe: while it is open, `check` raises at once. `probe` raises
    `StoreUnavailable` when the store still does not answer.
    """

    def __init__(
        self, name: str, probe: Probe, *, failures: int = 3, probe_every_s: float = 0.5
    ) -> None:
        self.name = name
        self._probe = probe
        self._limit = failures
        self._every_s = probe_every_s
        self._in_a_row = 0
        self._probing: asyncio.Task[None] | None = None

    @property
    def is_open(self) -> bool:
        return self._probing is not None

    def check(self) -> None:
        """Raises `StoreUnavailable` while open."""
        if self._probing is not None:
            raise StoreUnavailable(f"{self.name} does not answer")

    def answered(self) -> None:
        self._in_a_row = 0

    def failed(self) -> None:
        self._in_a_row += 1
        if self._in_a_row >= self._limit:
            self.open()

    def open(self) -> None:
        """Leave the store alone until a probe is answered."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe_until_answered())

    async def aclose(self) -> None:
        task = self._probing
        if task is not None:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task

    async def _probe_until_answered(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            try:
                await self._probe()
            except StoreUnavailable:
                continue
            self._in_a_row = 0
            self._probing = None
            return
