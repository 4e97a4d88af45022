"""What an ingress knows of scoring, where no bundle asks for it.

Bundles go to the first ingress and pages to the last: the one that tells people which models serve
may score nothing for days. So it asks for one row every other second in which no bundle did.
"""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable

import structlog

from bidding.errors import StoreUnavailable

EVERY_S = 2.0
# Scoring that answered nothing for so long, by three askings, is away.
AWAY_S = 3 * EVERY_S
log = structlog.get_logger(__name__)


class Pulse:
    """`ask` scores one row and may raise `StoreUnavailable`; `answered_at` is when scoring answered
    last, this asking or a bundle, in monotonic seconds."""

    def __init__(
        self,
        ask: Callable[[], Awaitable[object]],
        answered_at: Callable[[], float],
        every_s: float = EVERY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._answered_at = answered_at
        self._every_s = every_s
        self._clock = clock
        self._task: asyncio.Task[None] | None = None

    @property
    def away(self) -> bool:
        """Whether scoring answers nothing."""
        return self._clock() - self._answered_at() > AWAY_S

    def start(self) -> None:
        """Begin to ask, in the background of the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            rest = self._answered_at() + self._every_s - self._clock()
            if rest <= 0:
                await self._try()
                rest = self._every_s
            await asyncio.sleep(rest)

    async def _try(self) -> None:
        try:
            await self._ask()
        except StoreUnavailable:
            pass
        except Exception:  # the boundary of a task that must outlive its bugs
            log.exception("pulse_failed")
