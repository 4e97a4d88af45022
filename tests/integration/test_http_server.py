"""uvicorn as `deployments.http_server` sets it, on the event loop that Serve uses."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager

import httpx
import pytest
import uvicorn
import uvloop
from starlette.types import Message, Receive, Scope, Send
from uvicorn.config import HTTP_PROTOCOLS

from deployments import http_server
from deployments.http_server import TAKEN_AT_ONCE, HeadHolder, manifold

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"


@pytest.fixture(autouse=True)
def set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `install` changes is put back after each test."""
    monkeypatch.setattr(uvicorn.Server, "startup", uvicorn.Server.startup)
    monkeypatch.setitem(HTTP_PROTOCOLS, "auto", HTTP_PROTOCOLS["auto"])
    http_server.install()


class Written:
    """A transport that notes its writes."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closed = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def writelines(self, parts: tuple[bytes, ...]) -> None:
        self.writes.append(b"".join(parts))

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def written() -> Written:
    return Written()


@pytest.fixture
def holder(written: Written) -> HeadHolder:
    return HeadHolder(written)  # type: ignore[arg-type]


async def test_head_and_body_are_one_write(holder: HeadHolder, written: Written) -> None:
    for _ in range(2):
        holder.write(HEAD)
        holder.write(b"ok")
    await asyncio.sleep(0)

    assert written.writes == [HEAD + b"ok"] * 2


async def test_a_head_alone_waits_for_one_turn_only(holder: HeadHolder, written: Written) -> None:
    holder.write(HEAD)
    assert written.writes == []

    await asyncio.sleep(0)
    holder.write(b"ok")

    assert written.writes == [HEAD, b"ok"]


async def test_closing_sends_what_is_held(holder: HeadHolder, written: Written) -> None:
    holder.write(HEAD)
    holder.close()

    assert written.writes == [HEAD]
    assert written.closed


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers by path, in each of the ways an application can."""
    assert scope["type"] == "http"
    bodies: dict[str, list[bytes]] = {
        "/": [b"ok"],
        "/empty": [b""],
        "/parts": [b"one ", b"two ", b"three"],
    }
    parts = bodies[scope["path"]]
    headers = [] if len(parts) > 1 else [(b"content-length", str(len(parts[0])).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for number, part in enumerate(parts, start=1):
        await asyncio.sleep(0.001 * (number - 1))
        more: Message = {"type": "http.response.body", "body": part}
        await send(more | {"more_body": number < len(parts)})


@asynccontextmanager
async def served() -> AsyncIterator[int]:
    """The port of a server that was started as Serve starts one."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(lambda: app, factory=True, lifespan="off", log_config=None)
    )
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined]
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    port: int = listening.getsockname()[1]
    try:
        yield port
    finally:
        server.should_exit = True
        await serving
    with socket.socket() as late, pytest.raises(ConnectionRefusedError):
        late.connect(("127.0.0.1", port))


def on_uvloop(work: Callable[[], Awaitable[None]]) -> None:
    async def run() -> None:
        await work()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(run())


def test_every_kind_of_answer_arrives_whole() -> None:
    async def ask() -> None:
        async with served() as port, httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as web:
            for _ in range(2):  # the second time on a connection that was used
                assert (await web.get("/")).text == "ok"
                assert (await web.get("/empty")).content == b""
                assert (await web.get("/parts")).text == "one two three"
                head = await web.head("/")
                assert (head.headers["content-length"], head.content) == ("2", b"")
            closed = await web.get("/", headers={"connection": "close"})
            assert (closed.text, closed.headers["connection"]) == ("ok", "close")

    on_uvloop(ask)


class Counting(asyncio.Protocol):
    """Counts the connections that the loop took."""

    taken = 0

    def connection_made(self, _: asyncio.BaseTransport) -> None:
        Counting.taken += 1


@pytest.fixture
def waiting() -> Iterator[socket.socket]:
    """A listening socket with as many connections in its queue as are taken at once."""
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    listening.listen(4 * TAKEN_AT_ONCE)
    clients = [socket.create_connection(listening.getsockname()) for _ in range(TAKEN_AT_ONCE)]
    yield listening
    for each in (*clients, listening):
        each.close()


def test_connections_are_taken_many_at_a_time(waiting: socket.socket) -> None:
    async def turns() -> list[int]:
        loop = asyncio.get_running_loop()
        for each in manifold([waiting]):
            await loop.create_server(Counting, sock=each)
        seen = []
        for _ in range(4):
            seen.append(Counting.taken)
            await asyncio.sleep(0)
        return seen

    Counting.taken = 0
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        seen = runner.run(turns())

    assert TAKEN_AT_ONCE in seen
