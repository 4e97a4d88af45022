"""The decision log on the serving side: recording never waits and never fails.

The request path appends a reference to a bounded queue. One background task turns what came into
rows, a few at a stretch so that no request waits behind it; another copies them into the store.
While the store is away or hangs, the newest rows are kept and the drops are counted.
"""

import asyncio
import time
from collections import Counter, deque
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import structlog

from bidding.auction import Winner
from bidding.errors import StoreUnavailable
from deployments.score_request import ScoreRequest
from deployments.scorer import Scored
from stores.decision_types import (
    BidsRow,
    Decision,
    DecisionWriter,
    Row,
    RowRefused,
    bids_row_of,
    row_of,
)
from stores.event_settings import DecisionLogSettings
from stores.feature_types import SlotFeatures

SIMULATED_PREFIX = "sim:"
# The ranking draws no lots: the winner would win again.
CERTAIN = 1.0
# For each row, between one batch and the next.
BREATH_S = 0.0001
RETRY_S = 0.5
# Decisions turned into rows before other work of the event loop gets its turn: about 1 ms.
_SLICE = 10
# What waits for its turn holds whole requests, so it is bounded more tightly than rows are.
_INCOMING = 4_000
_CONTEXT = ("browser", "region", "city", "site")
log = structlog.get_logger(__name__)


class DecisionLog:
    """`record` is the scorer's hook; `start` and `aclose` belong to the process' lifespan.

    `recorded`, `written` and `dropped` (by reason) count decisions and, for the reasons that
    start with `bids_`, the bids of decisions whose row is kept. `without_bids` counts those that
    the settings keep without their bids: no loss, but whoever looks for the bids finds none.
    """

    def __init__(self, writer: DecisionWriter, settings: DecisionLogSettings) -> None:
        self._writer = writer
        self._settings = settings
        self._incoming: deque[Scored] = deque()
        self._rows: deque[Row] = deque()
        self._bids: dict[UUID, BidsRow] = {}
        self._in_doubt = False
        self._share = settings.sample
        self._taken_at = time.monotonic()
        self._came = asyncio.Event()
        self._writing = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.recorded = 0
        self.written = 0
        self.without_bids = 0
        self.dropped: Counter[str] = Counter()

    @property
    def waiting(self) -> int:
        """Decisions not written yet."""
        return len(self._incoming) + len(self._rows) + self._writing

    def record(self, scored: Scored) -> None:
        """Take a decision; about a microsecond."""
        self.recorded += 1
        self._incoming.append(scored)
        if len(self._incoming) > _INCOMING:
            self._incoming.popleft()
            self.dropped["queue_full"] += 1

    def start(self) -> None:
        """Begin to write in the background of the running event loop."""
        jobs = self._take_for_ever(), self._write_for_ever()
        self._tasks = [asyncio.create_task(job) for job in jobs]

    async def aclose(self, within_s: float = 3.0) -> None:
        """Write what waits, for at most `within_s`; what is left counts as dropped."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(within_s):
                await self._take_all()
                while self._rows:
                    await self._write()
        except (TimeoutError, StoreUnavailable):
            log.warning("decisions_lost_at_shutdown", decisions=self.waiting)
        self.dropped["shutdown"] += self.waiting

    async def _take_for_ever(self) -> None:
        while True:
            await self._take_all()
            self._came.set()
            await asyncio.sleep(self._settings.flush_ms / 1000)

    async def _write_for_ever(self) -> None:
        while True:
            await self._came.wait()
            self._came.clear()
            try:
                while self._rows:
                    await self._write()
                    # After an outage there are many; what is answered meanwhile goes before them.
                    await asyncio.sleep(BREATH_S * min(len(self._rows), self._settings.batch_rows))
            except StoreUnavailable:
                await asyncio.sleep(RETRY_S)

    async def _take_all(self) -> None:
        self._share = self._share_of(len(self._incoming))
        for _ in range(0, len(self._incoming), _SLICE):
            for _ in range(min(_SLICE, len(self._incoming))):
                scored = self._incoming.popleft()
                try:
                    self._take(scored)
                except Exception:  # one odd decision must not cost the others
                    log.exception("decision_not_logged", decision_id=scored.decision_id)
                    self.dropped["failed"] += 1
            await asyncio.sleep(0)

    def _share_of(self, came: int) -> float:
        """The share of these decisions whose bids are kept: at most so many a second."""
        now = time.monotonic()
        allowed = self._settings.bids_per_s * min(now - self._taken_at, 1.0)
        self._taken_at = now
        return min(self._settings.sample, allowed / max(came, 1))

    def _take(self, scored: Scored) -> None:
        decision = decision_of(scored)
        self._rows.append(row_of(decision))
        if is_sampled(decision.decision_id, self._share):
            self._bids[decision.decision_id] = bids_row_of(decision)
        else:
            self.without_bids += 1
        if len(self._bids) > self._settings.queue_bids:
            del self._bids[next(iter(self._bids))]
            self.dropped["bids_queue_full"] += 1
        self._drop_oldest()

    def _drop_oldest(self) -> None:
        while len(self._rows) > self._settings.queue_rows:
            self._bids.pop(self._rows.popleft()[0], None)
            self.dropped["queue_full"] += 1

    async def _write(self) -> None:
        """Write the oldest rows; they go back into the queue when the store is away."""
        size = min(len(self._rows), self._settings.batch_rows)
        batch = [self._rows.popleft() for _ in range(size)]
        self._writing = size
        try:
            refused = await self._write_batch(batch)
            self.written += size - refused
            self.dropped["refused"] += refused
        except (StoreUnavailable, asyncio.CancelledError):
            self._rows.extendleft(reversed(batch))
            self._drop_oldest()
            raise
        except Exception:  # the boundary of a task that must outlive its bugs
            log.exception("decision_log_failed")
            self.dropped["failed"] += size
        finally:
            self._writing = 0
        for row in batch:
            self._bids.pop(row[0], None)

    async def _write_batch(self, rows: Sequence[Row]) -> int:
        """How many of them the store refuses."""
        if self._in_doubt:
            known = await self._writer.known(rows)
            rows = [row for row in rows if row[0] not in known]
        self._in_doubt = True
        refused = await self._write_rows(rows)
        self._in_doubt = False
        return refused

    async def _write_rows(self, rows: Sequence[Row]) -> int:
        """Write all rows but those that the store refuses, found by halving; how many those are."""
        if not rows:
            return 0
        bids = [self._bids[row[0]] for row in rows if row[0] in self._bids]
        try:
            await self._writer.record(rows, bids)
        except RowRefused as error:
            if len(rows) > 1:
                half = len(rows) // 2
                return await self._write_rows(rows[:half]) + await self._write_rows(rows[half:])
            log.error("decision_refused", decision_id=str(rows[0][0]), reason=str(error))
            return 1
        return 0


def decision_of(scored: Scored) -> Decision:
    """What is logged of a scored bundle. Traffic on a `sim:` slot is labelled simulated."""
    request, slot = scored.request, scored.read.slot
    return Decision(
        decision_id=UUID(scored.decision_id),
        slot=slot.terms(),
        device_type=request.device_type,
        auction=request.auction_type,
        context=_context(request, slot, scored.decided_at),
        creative_types=request.creative_types,
        creatives=request.creatives,
        evaluation=scored.evaluation,
        models={"ctr": scored.versions.ctr, "cvr": scored.versions.cvr},
        degraded=scored.degraded,
        took_ms=scored.took_s * 1000,
        simulated=slot.external_key.startswith(SIMULATED_PREFIX),
        propensity=CERTAIN if isinstance(scored.evaluation.winner, Winner) else None,
    )


def is_sampled(decision_id: UUID, share: float) -> bool:
    """Whether a decision's bids are kept: by the random bits of its id, the same everywhere."""
    return (decision_id.int & 0xFFFF) < share * 0x10000


def _context(request: ScoreRequest, slot: SlotFeatures, now: datetime) -> dict[str, Any]:
    """What the request said beside slot, device and bids; the time only where it gave one, and the
    slot's key where nobody could tell in time which slot that is: the events are counted by it."""
    found: dict[str, Any] = {name: value for name in _CONTEXT if (value := getattr(request, name))}
    if slot.slot_id == 0:
        found["slot"] = slot.external_key
    if request.segments:
        found["segments"] = request.segments
    if request.timestamp is not None:  # the hour that the models saw
        found["timestamp"] = request.at(now).isoformat()
    return found
