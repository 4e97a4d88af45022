"""The simulated ad server: asks for decisions at a steady rate and reports what came of them."""

import asyncio
import heapq
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import numpy as np
import orjson

from cli.simulation.outcomes import Report, draw
from cli.simulation.traffic import Visit

CONNECTIONS = 32
FLUSH_S = 0.5
MOST_EVENTS = 1_000
LONGEST_RETRY_S = 5.0
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Pace:
    """`rate` requests a second of real time; a second stands for `speed` simulated ones."""

    start: datetime
    rate: float
    speed: float

    def time_at(self, elapsed_s: float) -> datetime:
        """The simulated time after so many real seconds."""
        return self.start + timedelta(seconds=elapsed_s * self.speed)


@dataclass(slots=True)
class Tally:
    """What the ad server saw. `expected_clicks` adds up the true rates of what was shown."""

    answered: int = 0
    won: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    sent: Counter[str] = field(default_factory=Counter)
    retries: int = 0
    not_yet: int = 0
    expected_clicks: float = 0.0
    degraded: int = 0


class AdServer:
    """One run. `clock` is monotonic seconds, `wall` the real time."""

    def __init__(
        self,
        url: str,
        headers: dict[str, str],
        pace: Pace,
        rng: np.random.Generator,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = url
        self._headers = _JSON | headers
        self._pace = pace
        self._rng = rng
        self._clock = clock
        self._wall = wall
        self._due: list[tuple[datetime, int, Report]] = []
        self._number = itertools.count()
        self.tally = Tally()

    async def run(self, visits: Iterator[Visit], until: datetime) -> Tally:
        """Ask for all visits; report what happens until then, and since then up to now."""
        # no limit: events must never wait for a connection behind those who ask
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(self._url, connector=connector) as session:
            started = self._clock()
            reporting = asyncio.create_task(self._report_for_ever(session, started))
            asking = asyncio.create_task(self._ask_many(session, visits, started))
            await asyncio.wait({asking, reporting}, return_when=asyncio.FIRST_COMPLETED)
            if reporting.done():  # it never ends by itself: what it raised is the run's end
                asking.cancel()
                await reporting
            reporting.cancel()
            await asyncio.gather(reporting, return_exceptions=True)
            await asking
            await self._report(session, max(until, self._wall()))
        self.tally.not_yet = len(self._due)
        return self.tally

    async def _ask_many(
        self, session: aiohttp.ClientSession, visits: Iterator[Visit], started: float
    ) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(CONNECTIONS):
                group.create_task(self._ask_all(session, visits, started))

    async def _ask_all(
        self, session: aiohttp.ClientSession, visits: Iterator[Visit], started: float
    ) -> None:
        """Take the next visit when its time has come; late ones at once."""
        for visit in visits:
            real = (visit.at - self._pace.start).total_seconds() / self._pace.speed
            wait = started + real - self._clock()
            if wait > 0:
                await asyncio.sleep(wait)
            await self._ask(session, visit)

    async def _ask(self, session: aiohttp.ClientSession, visit: Visit) -> None:
        try:
            async with session.post(
                "/api/score", data=orjson.dumps(visit.body), headers=self._headers
            ) as answer:
                body = await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            self.tally.failed[type(error).__name__] += 1
            return
        if answer.status != 200:
            self.tally.failed[str(answer.status)] += 1
            return
        self._take(visit, orjson.loads(body))

    def _take(self, visit: Visit, decision: dict[str, Any]) -> None:
        self.tally.answered += 1
        self.tally.degraded += bool(decision["degraded"])
        winner = decision["winner"]
        if winner is None:
            return
        self.tally.won += 1
        bid_id = winner["bid_id"]
        self.tally.expected_clicks += visit.offers[bid_id].ctr
        for report in draw(decision["decision_id"], visit, bid_id, self._rng):
            heapq.heappush(self._due, (report.at, next(self._number), report))

    async def _report_for_ever(self, session: aiohttp.ClientSession, started: float) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self._report(session, self._pace.time_at(self._clock() - started))

    async def _report(self, session: aiohttp.ClientSession, until: datetime) -> None:
        """Send all that has happened by then; nothing is lost when this is cancelled."""
        while batch := self._happened(until):
            try:
                await self._send(session, batch)
            except asyncio.CancelledError:
                for report in batch:
                    heapq.heappush(self._due, (report.at, next(self._number), report))
                raise

    def _happened(self, until: datetime) -> list[Report]:
        batch: list[Report] = []
        while self._due and self._due[0][0] <= until and len(batch) < MOST_EVENTS:
            batch.append(heapq.heappop(self._due)[2])
        return batch

    async def _send(self, session: aiohttp.ClientSession, batch: list[Report]) -> None:
        """As an ad server does: the same again until it is acknowledged."""
        body = orjson.dumps({"events": [report.body() for report in batch]})
        pause = 0.2
        while not await self._acknowledged(session, body):
            self.tally.retries += 1
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_RETRY_S)
        self.tally.sent.update(report.type for report in batch)

    async def _acknowledged(self, session: aiohttp.ClientSession, body: bytes) -> bool:
        """Raises `RuntimeError` for what will never be taken."""
        try:
            async with session.post("/api/events", data=body, headers=self._headers) as answer:
                text = await answer.text()
        except (aiohttp.ClientError, TimeoutError):
            return False
        if 400 <= answer.status < 500:
            raise RuntimeError(f"events were refused with {answer.status}: {text[:300]}")
        return answer.status == 202
