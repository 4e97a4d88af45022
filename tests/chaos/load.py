"""Steady bundles and events from a process of their own; what became of each goes to a file.

Bundles are sent on time, whether the ones before were answered or not. Events are repeated under
the same ids until they are acknowledged, as an ad server would.
"""

import asyncio
import json
import multiprocessing
import time
import uuid
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Event
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Self

import psutil

from benchmarks import elsewhere
from tests.chaos.wire import Answer, Wire

Place = tuple[str, int]  # host and port
BIDS = 20
EVENTS_IN_A_CALL = 10
TIMEOUT_S = 5.0
# An answer must not be late for want of a core to read it on: that is the load's, not the system's.
NICENESS = -10
# The pair of our ids that all events of the load are of.
EVENT_SLOT, EVENT_BRAND = 1, 1
PRICING = (("CPC", 0.5), ("CPM", 2.4), ("CPA", 20.0))


@dataclass(frozen=True, slots=True)
class Pace:
    """Bundles and calls of /api/events a second; the bundles' deadline."""

    bundles_per_s: float
    event_calls_per_s: float = 5.0
    tmax_ms: float = 100.0
    slots: int = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """One bundle: when it was sent (seconds since 1970), how long its answer took, its status,
    what it was answered without (`scoring,rules`), and what the answer of a failure said."""

    at: float
    took_s: float
    status: int
    degraded: str
    retry_after: bool = False
    said: str = ""


def why(sent: Iterable[Sent]) -> str:
    """How many failed with which words."""
    counts = Counter(f"{each.status} {each.said}".strip() for each in sent if each.status != 200)
    return ", ".join(f"{count} x {words}" for words, count in counts.most_common())


def bundle(number: int, pace: Pace) -> bytes:
    """One of many bundles, so that slots and brands vary."""
    bids = []
    for index in range(BIDS):
        model, amount = PRICING[(number + index) % len(PRICING)]
        bids.append(
            {
                "bid_id": f"b{index}",
                "brand_id": 1 + (number + index) % 5,
                "pricing_model": model,
                "amount": amount,
            }
        )
    body = {"slot_id": 1 + number % pace.slots, "tmax_ms": pace.tmax_ms, "bids": bids}
    return json.dumps(body).encode()


def events(shift: timedelta = timedelta()) -> tuple[list[str], bytes]:
    """New events that happened now, or `shift` from now: their ids and the body."""
    ids = [f"chaos-{uuid.uuid4()}" for _ in range(EVENTS_IN_A_CALL)]
    at = (datetime.now(UTC) + shift).isoformat()
    context = {"slot_id": EVENT_SLOT, "brand_id": EVENT_BRAND, "device_type": "mobile"}
    rows: list[dict[str, Any]] = [
        {"event_id": each, "type": "impression", "occurred_at": at, "context": context}
        for each in ids
    ]
    return ids, json.dumps({"events": rows}).encode()


class Load:
    """The process, and what it wrote."""

    def __init__(self, port: int, pace: Pace, folder: Path, host: str = "127.0.0.1") -> None:
        self._bundles, self._events = folder / "bundles.tsv", folder / "events.txt"
        self._read: list[Sent] = []
        self._place = 0
        context = multiprocessing.get_context("spawn")
        self._stop: Event = context.Event()
        self._process = context.Process(
            target=_main,
            args=((host, port), pace, self._bundles, self._events, self._stop),
            daemon=True,
        )

    def __enter__(self) -> "Load":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._process.join(30)
        self._process.kill()

    def cpu_s(self) -> float:
        """What the process has taken of a core so far, in seconds."""
        took = psutil.Process(self._process.pid).cpu_times()
        return float(took.user + took.system)

    def between(self, start: float, end: float) -> list[Sent]:
        """The bundles sent in [start, end), as far as they are answered or given up."""
        self._read_on()
        return [each for each in self._read if start <= each.at < end]

    def _read_on(self) -> None:
        """What was written since the last time: half an hour of it takes a core for a second."""
        with self._bundles.open("rb") as file:
            file.seek(self._place)
            written = file.read()
        whole = written[: written.rfind(b"\n") + 1]
        self._place += len(whole)
        for line in whole.decode().split("\n")[:-1]:
            at, took_s, status, degraded, polite, said = line.split("\t")
            self._read.append(
                Sent(float(at), float(took_s), int(status), degraded, polite == "1", said)
            )

    def acknowledged(self) -> list[str]:
        """The ids of the events that were answered 202."""
        return self._events.read_text().split()


class _Notes:
    """Lines that a thread writes to a file at once: what a busy disk makes wait is no part of the
    time that an answer took."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: SimpleQueue[str | None] = SimpleQueue()
        self._thread = Thread(target=self._write)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._lines.put(None)
        self._thread.join()

    def add(self, line: str) -> None:
        self._lines.put(line)

    def _write(self) -> None:
        with self._path.open("w", buffering=1) as file:
            while (line := self._lines.get()) is not None:
                file.write(line + "\n")


def _main(place: Place, pace: Pace, bundles: Path, acknowledged: Path, stop: Event) -> None:
    elsewhere.step(NICENESS)
    with _Notes(bundles) as out, _Notes(acknowledged) as ids:
        asyncio.run(_run(place, pace, out, ids, stop))


async def _run(place: Place, pace: Pace, out: "_Notes", ids: "_Notes", stop: Event) -> None:
    wire = Wire(*place, TIMEOUT_S)
    tasks: set[asyncio.Task[None]] = set()
    start, bundles_sent, calls_sent = time.monotonic(), 0, 0
    while not stop.is_set():
        passed = time.monotonic() - start
        while bundles_sent < passed * pace.bundles_per_s:
            tasks.add(asyncio.create_task(_send_bundle(wire, bundle(bundles_sent, pace), out)))
            bundles_sent += 1
        while calls_sent < passed * pace.event_calls_per_s:
            tasks.add(asyncio.create_task(_send_events(wire, ids, stop)))
            calls_sent += 1
        tasks = {task for task in tasks if not task.done()}
        await asyncio.sleep(0.002)
    await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 20)


async def _send_bundle(wire: Wire, body: bytes, out: "_Notes") -> None:
    at, started = time.time(), time.perf_counter()
    answer = await wire.post("/api/score", body)
    took_s = time.perf_counter() - started
    parts = json.loads(answer.body)["degraded"] if answer.status == 200 else []
    lacking, polite = ",".join(parts), f"{answer.retry_after:d}"
    cells = (at, took_s, answer.status, lacking, polite, _detail(answer))
    out.add("\t".join(map(str, cells)))


def _detail(answer: Answer) -> str:
    """What a problem document says."""
    if answer.status == 200:
        return ""
    try:
        return str(json.loads(answer.body)["detail"]).replace("\t", " ").replace("\n", " ")
    except (ValueError, KeyError, TypeError):
        return repr(answer.body[:100]) if answer.body else ""


async def _send_events(wire: Wire, acknowledged: "_Notes", stop: Event) -> None:
    ids, body = events()
    while not stop.is_set():
        if (await wire.post("/api/events", body)).status == 202:
            acknowledged.add("\n".join(ids))
            return
        await asyncio.sleep(0.5)
