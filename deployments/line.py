"""Lines: the short way from an ingress to the scoring replicas of its own host.

A call through Serve's handle costs both ends more than the prediction does: pickling, gRPC and its
threads, the router and its metrics. Each scoring replica also answers on a unix socket in its
host's folder, where an ingress finds it. Whatever goes wrong there, the handle is left.
"""

import asyncio
import contextlib
import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import ray
import structlog

from bidding.batch import ScoreBatch
from deployments.line_wire import (
    Ask,
    BrokenFrame,
    Frames,
    Reply,
    read_ask,
    read_reply,
    write_ask,
    write_reply,
)
from stores.settings import Settings

# A replica that has not answered for so long stands still; others are asked until it does.
PATIENCE_S = 0.5
LOOK_EVERY_S = 0.5
_SOCKET = ".sock"
_PRIVATE = 0o700
Answer = Callable[[ScoreBatch, str | None, bool], Reply]
log = structlog.get_logger(__name__)


class LineLost(ConnectionError):
    """The replica went away before it answered."""


class LineLate(TimeoutError):
    """The replica did not answer in `PATIENCE_S`."""


def lines_folder(settings: Settings) -> Path:
    """Where this node's lines are: other nodes may share the folder above it."""
    node: str = ray.get_runtime_context().get_node_id()
    return settings.sockets / "lines" / node[:12]


class LineServer:
    """A replica's end: answers each call that arrives, in turn."""

    def __init__(self, folder: Path, name: str, answer: Answer) -> None:
        self._path = folder / f"{name}{_SOCKET}"
        self._answer = answer
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen. Without a folder for it, nobody can, and calls come through the handle."""
        fresh = self._path.with_suffix(".new")
        try:
            _own(self._path.parent)
            loop = asyncio.get_running_loop()
            self._server = await loop.create_unix_server(
                lambda: _Answering(self._answer), str(fresh)
            )
            # Under its name only when it listens: who finds a socket that refuses removes it.
            fresh.rename(self._path)
        except OSError as error:
            log.warning("no_line", path=str(self._path), error=str(error))

    def close(self) -> None:
        """Take no more connections."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)


class _Answering(asyncio.Protocol):
    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._frames = Frames()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                ask = read_ask(body)
                reply = self._answer(ask.batch, ask.trace_id, ask.traced)
                self._transport.write(write_reply(ask.call, reply))
        except BrokenFrame as error:
            log.warning("line_broken", error=str(error))
            self._transport.close()


class Line(asyncio.Protocol):
    """An ingress' end of the line to one replica."""

    def __init__(self) -> None:
        self._frames = Frames()
        self._calls = itertools.count()
        self._asked: dict[int, tuple[float, asyncio.Future[Reply]]] = {}
        self.lost = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        try:
            for body in self._frames.feed(data):
                call, reply = read_reply(body)
                _, future = self._asked.pop(call)
                if not future.done():
                    future.set_result(reply)
        except (BrokenFrame, KeyError) as error:
            log.warning("line_broken", error=str(error))
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        self.lost = True
        for _asked_at, future in self._asked.values():
            if not future.done():
                future.set_exception(LineLost("the replica went away"))
        self._asked.clear()

    @property
    def late(self) -> bool:
        """Whether a call has waited for longer than `PATIENCE_S`."""
        if not self._asked:
            return False
        oldest, _ = next(iter(self._asked.values()))
        return time.monotonic() - oldest > PATIENCE_S

    async def ask(self, batch: ScoreBatch, trace_id: str | None, traced: bool) -> Reply:
        """The replica's answer. Raises `LineLost`, `LineLate`."""
        if self.lost:
            raise LineLost("the replica went away")
        call = next(self._calls) % 2**32
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._asked[call] = time.monotonic(), future
        self._transport.write(write_ask(Ask(call, batch, trace_id, traced)))
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await future
        except TimeoutError as error:
            raise LineLate(f"no answer in {PATIENCE_S} s") from error

    def close(self) -> None:
        """Hang up."""
        self._transport.close()


class Lines:
    """The lines of an ingress. `own` is its number among the host's: neighbours pair up, so that
    each replica's caches stay warm with the same trees."""

    def __init__(self, folder: Path, own: Callable[[], int] = lambda: 0) -> None:
        self._folder = folder
        self._own = own
        self._open: dict[Path, Line] = {}
        self._looking: asyncio.Task[None] | None = None
        self._wrong: str | None = None

    def __len__(self) -> int:
        return len(self._open)

    async def start(self) -> None:
        """Connect, and go on looking for replicas that come and go."""
        await self._look()
        self._looking = asyncio.create_task(self._run())

    async def aclose(self) -> None:
        """Hang up everywhere."""
        if self._looking is not None:
            self._looking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._looking
        for line in self._open.values():
            line.close()

    def pick(self) -> Line | None:
        """The line to ask next; None where there is none that answers."""
        ready = [line for line in self._open.values() if not line.lost and not line.late]
        return ready[self._own() % len(ready)] if ready else None

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await self._look()

    async def _look(self) -> None:
        wrong = None
        try:
            await self._connect()
        except OSError as error:  # such as a folder that is not ours; the handle is left
            wrong = str(error)
        if wrong is not None and wrong != self._wrong:
            log.warning("no_lines", error=wrong)
        self._wrong = wrong

    async def _connect(self) -> None:
        self._open = {path: line for path, line in self._open.items() if not line.lost}
        found = set(self._folder.glob(f"*{_SOCKET}")).difference(self._open)
        if found:
            _own(self._folder)
        for path in found:
            loop = asyncio.get_running_loop()
            try:
                _, line = await loop.create_unix_connection(Line, str(path))
            except ConnectionRefusedError:
                path.unlink(missing_ok=True)  # its replica was killed
            except OSError:
                continue
            else:
                self._open[path] = line
        if found:  # in the same order for every ingress
            self._open = dict(sorted(self._open.items()))


def _own(folder: Path) -> None:
    """Have `folder` and the two around it, for this user only. Raises `PermissionError` where
    another user got there first."""
    for each in (folder.parent.parent, folder.parent, folder):
        each.mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
        seen = each.stat()
        if seen.st_uid != os.geteuid() or seen.st_mode & 0o077:
            raise PermissionError(f"{each} is not this user's alone")
