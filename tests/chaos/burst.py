"""Many clients at once that each ask again as soon as they are answered, as cheaply as Python can.

They are to be other machines: here they get what CPU the system leaves.
"""

import asyncio
import multiprocessing
import re
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import cast

import uvloop

from benchmarks import elsewhere
from tests.chaos.load import Pace, bundle

ANSWERED_WITHIN_S = 10.0
_LENGTH = re.compile(rb"content-length: *(\d+)")


@dataclass(frozen=True, slots=True)
class Burst:
    """How many answers there were by status (0: none came), and how many 503 had Retry-After."""

    statuses: Counter[int]
    polite: int
    length_s: float

    @property
    def per_s(self) -> float:
        return sum(self.statuses.values()) / self.length_s


def burst(port: int, connections: int, length_s: float) -> Burst:
    """Ask from a process of its own for so long."""
    context = multiprocessing.get_context("spawn")
    step_back = partial(elsewhere.step, elsewhere.LEAST)
    with ProcessPoolExecutor(1, context, initializer=step_back) as pool:
        return pool.submit(_ask, port, connections, length_s).result()


def _ask(port: int, connections: int, length_s: float) -> Burst:
    return uvloop.run(_ask_all(port, connections, length_s))


async def _ask_all(port: int, connections: int, length_s: float) -> Burst:
    body = bundle(1, Pace(0))
    head = f"POST /api/score HTTP/1.1\r\nhost: adbid\r\ncontent-length: {len(body)}\r\n"
    message = head.encode() + b"content-type: application/json\r\n\r\n" + body
    loop, until_at = asyncio.get_running_loop(), time.monotonic() + length_s
    clients = [_Client(message, until_at) for _ in range(connections)]
    await asyncio.gather(*(client.ask_on(loop, port) for client in clients))
    statuses = sum((client.statuses for client in clients), Counter[int]())
    return Burst(statuses, sum(client.polite for client in clients), length_s)


class _Client(asyncio.Protocol):
    """One connection, made anew where it is closed."""

    def __init__(self, message: bytes, until_at: float) -> None:
        self.statuses: Counter[int] = Counter()
        self.polite = 0
        self._message, self._until_at = message, until_at
        self._transport: asyncio.WriteTransport | None = None
        self._answer, self._waiting = b"", False
        self._closed = asyncio.Event()

    async def ask_on(self, loop: asyncio.AbstractEventLoop, port: int) -> None:
        """Until the time is over and the last answer came, or was given up."""
        while time.monotonic() < self._until_at:
            self._closed.clear()
            try:
                await loop.create_connection(lambda: self, "127.0.0.1", port)
                patience_s = self._until_at - time.monotonic() + ANSWERED_WITHIN_S
                await asyncio.wait_for(self._closed.wait(), patience_s)
            except OSError:  # TimeoutError too
                self.statuses[0] += 1

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is no subclass
        self._say()

    def data_received(self, data: bytes) -> None:
        self._answer += data
        head, end, body = self._answer.partition(b"\r\n\r\n")
        if not end:
            return
        head = head.lower()
        length = _LENGTH.search(head)
        if length is not None and len(body) < int(length[1]):
            return
        status = int(head[9:12])
        self.statuses[status] += 1
        self.polite += status == 503 and b"\nretry-after:" in head
        self._waiting = False
        if time.monotonic() < self._until_at and b"connection: close" not in head:
            self._say()
        elif self._transport is not None:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting:
            self.statuses[0] += 1
        self._closed.set()

    def _say(self) -> None:
        assert self._transport is not None
        self._answer, self._waiting = b"", True
        self._transport.write(self._message)
