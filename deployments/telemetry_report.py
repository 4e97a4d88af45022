"""A replica's side of the metrics: once a second, what its counters gained since the last time.

Differences, not totals: the collector's sums then never go down when a replica dies, and start
at zero, as Prometheus expects of a restart, when the collector does.
"""

import asyncio
import contextlib
import os
import time
import uuid
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import psutil
import structlog

from deployments.metrics import BY_NAME, Key, key

EVERY_S = 1.0
# A report that is not answered by then is sent again, under the same number.
PATIENCE_S = 2.0
log = structlog.get_logger(__name__)

Read = Callable[[], Mapping[Key, float]]


@dataclass(frozen=True, slots=True)
class Report:
    """What one replica counted since its report before; `number` tells a repeated one."""

    replica: str
    number: int
    gained: dict[Key, float]
    gauges: dict[Key, float]


class Reporter:
    """Reads counters and gauges, and sends reports. `send` may raise what a remote call may."""

    def __init__(
        self, deployment: str, reads: Iterable[Read], send: Callable[[Report], Awaitable[Any]]
    ) -> None:
        self._deployment = deployment
        self._reads = [*reads, self._process]
        self._send = send
        self._replica = uuid.uuid4().hex
        self._number = 0
        self._sent: dict[Key, float] = {}
        self._unconfirmed: tuple[Report, dict[Key, float]] | None = None
        self._itself = psutil.Process()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to report in the background of the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Send what was counted last."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        with contextlib.suppress(Exception):  # the collector may be gone already
            await self.report()

    async def report(self) -> None:
        """Send what was gained. Raises what a remote call may.

        A report that was not confirmed goes first, as it was: whether it was counted, only the
        collector knows, by its number.
        """
        if self._unconfirmed is None:
            totals, gauges = self._read()
            # Also what gained nothing: a new collector has not heard of it, and for Prometheus a
            # series that is missing neither stands still nor begins at zero.
            gained = {k: v - self._sent.get(k, 0.0) for k, v in totals.items()}
            self._number += 1
            self._unconfirmed = Report(self._replica, self._number, gained, gauges), totals
        report, totals = self._unconfirmed
        async with asyncio.timeout(PATIENCE_S):
            await self._send(report)
        self._sent, self._unconfirmed = totals, None

    async def _run(self) -> None:
        while True:
            started = time.monotonic()
            try:
                await self.report()
            except Exception as error:  # the boundary to another process, and of a task
                log.info("metrics_wait", error=repr(error)[:200])
            await asyncio.sleep(max(0.0, EVERY_S - (time.monotonic() - started)))

    def _read(self) -> tuple[dict[Key, float], dict[Key, float]]:
        totals: dict[Key, float] = {}
        gauges: dict[Key, float] = {}
        for read in self._reads:
            for found, value in read().items():
                into = gauges if BY_NAME[found[0]].kind == "gauge" else totals
                into[found] = value
        return totals, gauges

    def _process(self) -> dict[Key, float]:
        name = self._deployment
        times = os.times()
        return {
            key("adbid_replicas", name): 1,
            key("adbid_process_cpu_seconds_total", name): times.user + times.system,
            key("adbid_process_resident_bytes", name): self._itself.memory_info().rss,
            key("adbid_process_open_fds", name): self._itself.num_fds(),
        }
