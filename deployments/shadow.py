"""An ingress' side of the shadow: a sample of answered bundles goes to the challengers.

One at a time and a few a second; what comes meanwhile is dropped. What both models said of the
winner is kept, to be held against its outcome later.
"""

import asyncio
import random
import time
from collections import deque
from collections.abc import Awaitable, Callable
from uuid import UUID

import structlog

from bidding.auction import Winner
from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments.challenger import Said
from deployments.scorer import Prediction, Scored
from stores.live_quality import LiveQuality, ShadowRow
from stores.model_registry import CTR_MODEL, CVR_MODEL
from stores.promotion_settings import ShadowSettings

# Where nobody is challenged, it is enough to ask now and then.
IDLE_S = 3.0
WAITING_ROWS = 5_000
log = structlog.get_logger(__name__)

# Raises `StoreUnavailable`; None where the replica was busy.
Ask = Callable[[ScoreBatch, Said], Awaitable[Said | None]]


class Shadow:
    """`offer` never waits and never raises."""

    def __init__(
        self,
        ask: Ask,
        store: LiveQuality,
        settings: ShadowSettings,
        *,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ask = ask
        self._store = store
        self._settings = settings
        self._clock = clock
        self._chance = chance
        self._next_at = 0.0
        self._task: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._rows: deque[ShadowRow] = deque(maxlen=WAITING_ROWS)
        self.offered = self.dropped = 0

    def start(self) -> None:
        """Begin to write in the background of the running event loop."""
        self._writing = asyncio.create_task(self._write_for_ever())

    async def aclose(self) -> None:
        """Write what waits."""
        tasks = [task for task in (self._task, self._writing) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.flush()

    def offer(self, scored: Scored) -> None:
        """A bundle that has been answered; it is scored by the challengers if it is sampled."""
        if scored.batch is None or self._chance() >= self._settings.sample:
            return
        now = self._clock()
        if now < self._next_at or (self._task is not None and not self._task.done()):
            self.dropped += 1
            return
        said = said_by(scored.prediction)
        if said:
            self._next_at = now + 1 / self._settings.per_s
            self.offered += 1
            self._task = asyncio.create_task(self._score(scored, scored.batch, said))

    async def flush(self) -> None:
        """Write what waits; it stays while the store is away."""
        rows = list(self._rows)
        if not rows:
            return
        try:
            await self._store.record_shadow(rows)
        except StoreUnavailable as error:
            log.info("shadow_waits", detail=error.detail)
            return
        for _ in rows:
            self._rows.popleft()

    async def _score(self, scored: Scored, batch: ScoreBatch, said: Said) -> None:
        await asyncio.sleep(0)  # the answer goes out first
        try:
            found = await self._ask(batch, said)
        except StoreUnavailable as error:
            log.info("shadow_failed", detail=error.detail)
            found = {}
        if found is None:
            self.dropped += 1
        elif not found:
            self._next_at = self._clock() + IDLE_S
        else:
            self._rows.extend(rows_of(scored, said, found))

    async def _write_for_ever(self) -> None:
        while True:
            await asyncio.sleep(self._settings.flush_s)
            try:
                await self.flush()
            except Exception:  # the boundary of a task that must outlive its bugs
                log.exception("shadow_not_written")
                self._rows.clear()


def said_by(prediction: Prediction) -> Said:
    """What the champions said, by model."""
    versions = prediction.versions
    each = (
        (CTR_MODEL, prediction.ctr, versions.ctr),
        (CVR_MODEL, prediction.cvr, versions.cvr),
    )
    return {
        name: (rates, version)
        for name, rates, version in each
        if rates is not None and version is not None
    }


def rows_of(scored: Scored, champion: Said, challenger: Said) -> list[ShadowRow]:
    """One row a model of a bundle that has a winner."""
    won = scored.evaluation.winner
    if not isinstance(won, Winner):
        return []
    return [
        ShadowRow(
            UUID(scored.decision_id),
            name,
            scored.evaluation.bids.bid_ids[won.index],
            scored.decided_at,
            champion[name][1],
            version,
            float(champion[name][0][won.index]),
            float(rates[won.index]),
        )
        for name, (rates, version) in challenger.items()
    ]
