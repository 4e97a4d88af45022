"""The short way to a scoring replica of the same host, and what is done when it fails."""

import asyncio
import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import calls as calls_module
from deployments import line as line_module
from deployments.calls import Calls
from deployments.line import LineLost, Lines, LineServer
from deployments.line_wire import (
    Ask,
    BrokenFrame,
    Frames,
    Head,
    Reply,
    read_ask,
    read_reply,
    write_ask,
    write_reply,
)
from stores.traced import Process, SpanRecord

ANY = st.integers(0, 5)


def batch(bundles: int = 1, shared: int = 2, segments: int = 3, rows: int = 4) -> ScoreBatch:
    rng = np.random.default_rng(rows)
    return ScoreBatch(
        shared=rng.random((bundles, shared)).astype(np.float32),
        segments=rng.integers(0, 9, segments).astype(np.int32),
        segment_offsets=np.zeros(bundles + 1, np.int32),
        rows=rng.random((rows, 3)).astype(np.float32),
        row_bundle=np.zeros(rows, np.int32),
        ctr=rng.random(rows).astype(np.float32),
        cvr=rng.random(rows).astype(np.float32),
    )


def body_of(frame: bytes) -> memoryview:
    (body,) = Frames().feed(frame)
    return body


def same(one: ScoreBatch, other: ScoreBatch) -> bool:
    return all(
        np.array_equal(getattr(one, field.name), getattr(other, field.name))
        and getattr(one, field.name).dtype == getattr(other, field.name).dtype
        for field in fields(ScoreBatch)
    )


@given(ANY, ANY, ANY, ANY, st.none() | st.text(max_size=40), st.booleans())
def test_a_call_arrives_as_it_was_asked(
    bundles: int, shared: int, segments: int, rows: int, trace: str | None, traced: bool
) -> None:
    asked = Ask(7, batch(bundles, shared, segments, rows), trace or None, traced)
    found = read_ask(body_of(write_ask(asked)))
    assert same(found.batch, asked.batch)
    assert (found.call, found.trace_id, found.traced) == (7, asked.trace_id, traced)


@pytest.mark.parametrize("ctr", [True, False])
@pytest.mark.parametrize("cvr", [True, False])
def test_an_answer_arrives_as_it_was_given(ctr: bool, cvr: bool) -> None:
    rates = np.array([0.25, 0.5, 0.75], np.float32)
    inner = SpanRecord("predict ctr", 3, 4)
    span = SpanRecord("scoring.score", 1, 5, {"rows": 3}, (inner,), Process("scoring", 9))
    given_ = Reply(
        rates if ctr else None,
        rates * 2 if cvr else None,
        Head("4" if ctr else None, "5" if cvr else None, span),
    )
    call, found = read_reply(body_of(write_reply(11, given_)))
    assert (call, found.head) == (11, given_.head)
    for one, other in ((found.ctr, given_.ctr), (found.cvr, given_.cvr)):
        assert (one is None) == (other is None)
        assert one is None or np.array_equal(one, other)


@given(st.lists(st.binary(max_size=30), max_size=6), st.integers(1, 17))
def test_frames_are_found_however_they_are_cut(bodies: list[bytes], length: int) -> None:
    stream = b"".join(struct.pack("=I", len(body)) + body for body in bodies)
    frames, found = Frames(), []
    for start in range(0, len(stream), length):
        found += [bytes(body) for body in frames.feed(stream[start : start + length])]
    assert found == bodies


def test_a_frame_that_is_too_large_is_refused_before_it_arrives() -> None:
    with pytest.raises(BrokenFrame, match="bytes"):
        list(Frames().feed(struct.pack("=I", 2**31)))


@given(st.integers(0, 500), st.binary(min_size=1, max_size=4), st.integers(0, 300))
def test_a_damaged_call_is_a_broken_frame_or_a_batch(at: int, other: bytes, cut: int) -> None:
    body = bytearray(body_of(write_ask(Ask(1, batch(), "ab", False))))
    at %= len(body)
    body[at : at + len(other)] = other
    damaged = memoryview(bytes(body[: len(body) - cut]))
    for read in (read_ask, read_reply):
        with contextlib.suppress(BrokenFrame):
            read(damaged)  # type: ignore[operator]


# What a replica answers: half of the posterior, by version 1.
def half(asked: ScoreBatch, trace_id: str | None, traced: bool) -> Reply:
    return Reply(asked.ctr / 2, None, Head("1"))


class Handle:
    """Serve's handle, which answers with a quarter."""

    def __init__(self) -> None:
        self.asked = 0

    def options(self, **_: Any) -> "Handle":
        return self

    @property
    def score(self) -> "Handle":
        return self

    async def remote(self, asked: ScoreBatch, _: str | None) -> Any:
        self.asked += 1
        return (asked.ctr / 4, "1"), (None, None)


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """Short enough for a socket's path."""
    tmp_path.chmod(0o700)
    before = Path.cwd()
    os.chdir(tmp_path)
    yield Path("lines")
    os.chdir(before)


def made(folder: Path, mode: int = 0o700) -> None:
    folder.mkdir()
    folder.chmod(mode)


def inside(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def until(happened: Callable[[], bool]) -> None:
    for _ in range(1000):
        if happened():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


async def test_a_replica_of_the_host_answers_by_its_line(folder: Path) -> None:
    server, lines, handle = LineServer(folder, "a", half), Lines(folder), Handle()
    await server.start()
    await lines.start()
    calls = Calls(*[handle] * 3, traced=False, lines=lines)  # type: ignore[misc, list-item]
    one, two = batch(rows=4), batch(rows=2)
    found = await calls.score([one, two])
    assert [len(each.ctr) for each in found if each.ctr is not None] == [4, 2]
    assert np.array_equal(found[1].ctr, two.ctr / 2)  # type: ignore[arg-type]
    assert (found[0].cvr, calls.versions.ctr, handle.asked) == (None, "1", 0)
    assert calls.made == {"line": 1, "handle": 0, "late": 0}
    await lines.aclose()
    server.close()


async def test_without_a_line_the_handle_is_asked(folder: Path) -> None:
    lines, handle = Lines(folder), Handle()
    await lines.start()
    calls = Calls(*[handle] * 3, traced=False, lines=lines)  # type: ignore[misc, list-item]
    (found,) = await calls.score([batch()])
    assert np.array_equal(found.ctr, batch().ctr / 4)  # type: ignore[arg-type]
    await lines.aclose()


async def test_a_replica_behind_the_handle_that_stands_still_is_given_up(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Hangs(Handle):
        async def remote(self, asked: ScoreBatch, _: str | None) -> Any:
            await asyncio.sleep(60)

    monkeypatch.setattr(calls_module, "PATIENCE_S", 0.05)
    calls = Calls(*[Hangs()] * 3, traced=False)  # type: ignore[misc, list-item]
    async with asyncio.timeout(5):
        with pytest.raises(StoreUnavailable, match="TimeoutError"):
            await calls.score([batch()])


async def test_whatever_a_remote_call_raises_is_no_error_of_the_client(folder: Path) -> None:
    class Raises(Handle):
        async def remote(self, asked: ScoreBatch, _: str | None) -> Any:
            raise RuntimeError("Unexpected error (StatusCode.UNKNOWN)")

    calls = Calls(*[Raises()] * 3, traced=False)  # type: ignore[misc, list-item]
    with pytest.raises(StoreUnavailable, match="RuntimeError"):
        await calls.score([batch()])


async def test_a_replica_that_goes_away_in_a_call_costs_nothing(folder: Path) -> None:
    lines, handle = Lines(folder), Handle()

    class Dies(asyncio.Protocol):
        def connection_made(self, transport: Any) -> None:
            self.transport = transport

        def data_received(self, _: bytes) -> None:
            self.transport.abort()

    made(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_unix_server(Dies, str(folder / "a.sock"))
    await lines.start()
    calls = Calls(*[handle] * 3, traced=False, lines=lines)  # type: ignore[misc, list-item]
    (found,) = await calls.score([batch()])
    assert np.array_equal(found.ctr, batch().ctr / 4)  # type: ignore[arg-type]
    assert handle.asked == 1
    assert calls.made == {"line": 0, "handle": 1, "late": 0}
    await lines.aclose()
    server.close()


async def test_one_that_stands_still_is_left_alone_until_it_answers(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "PATIENCE_S", 0.05)
    go = threading.Event()

    def stands_still(asked: ScoreBatch, trace_id: str | None, traced: bool) -> Reply:
        go.wait(10)
        return half(asked, trace_id, traced)

    def serve() -> None:
        async def run() -> None:
            server = LineServer(folder, "a", stands_still)
            await server.start()
            listening.set()
            await asyncio.to_thread(done.wait, 10)

        asyncio.run(run())

    listening, done = threading.Event(), threading.Event()
    thread = threading.Thread(target=serve)
    thread.start()
    await asyncio.to_thread(listening.wait, 10)
    lines, handle = Lines(folder), Handle()
    await lines.start()
    calls = Calls(*[handle] * 3, traced=False, lines=lines)  # type: ignore[misc, list-item]
    with pytest.raises(StoreUnavailable, match="no answer"):
        await calls.score([batch()])
    (found,) = await calls.score([batch()])
    assert np.array_equal(found.ctr, batch().ctr / 4)  # type: ignore[arg-type]
    go.set()
    await until(lambda: lines.pick() is not None)
    assert calls.made == {"line": 0, "handle": 1, "late": 1}
    (found,) = await calls.score([batch()])
    assert np.array_equal(found.ctr, batch().ctr / 2)  # type: ignore[arg-type]
    await lines.aclose()
    done.set()
    thread.join()


async def test_what_went_wrong_in_the_replica_is_told(folder: Path) -> None:
    def broken(*_: Any) -> Reply:
        return Reply(None, None, Head(error="XGBoostError"))

    server, lines, handle = LineServer(folder, "a", broken), Lines(folder), Handle()
    await server.start()
    await lines.start()
    calls = Calls(*[handle] * 3, traced=False, lines=lines)  # type: ignore[misc, list-item]
    with pytest.raises(StoreUnavailable, match="XGBoostError"):
        await calls.score([batch()])
    await lines.aclose()
    server.close()


async def test_neighbours_pair_up(folder: Path) -> None:
    servers = [LineServer(folder, name, half) for name in ("a", "b")]
    for server in servers:
        await server.start()
    found = []
    for number in range(3):
        lines = Lines(folder, lambda number=number: number)  # type: ignore[misc]
        await lines.start()
        assert len(lines) == 2
        found.append(sorted(lines._open).index(_path_of(lines)))
        await lines.aclose()
    assert found == [0, 1, 0]
    for server in servers:
        server.close()


def _path_of(lines: Lines) -> Path:
    line = lines.pick()
    (path,) = (path for path, each in lines._open.items() if each is line)
    return path


async def test_replicas_that_come_and_go_are_seen(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(line_module, "LOOK_EVERY_S", 0.01)
    made(folder)
    with socket.socket(socket.AF_UNIX) as killed:
        killed.bind(str(folder / "killed.sock"))
    lines = Lines(folder)
    await lines.start()
    assert (len(lines), inside(folder)) == (0, [])
    server = LineServer(folder, "late", half)
    await server.start()
    await until(lambda: len(lines) == 1)
    assert lines.pick() is not None
    await lines.aclose()
    server.close()
    assert inside(folder) == []


async def test_a_folder_that_others_may_write_to_is_not_used(folder: Path) -> None:
    made(folder, 0o777)
    server, lines = LineServer(folder, "a", half), Lines(folder)
    await server.start()
    assert inside(folder) == []
    with socket.socket(socket.AF_UNIX) as anybody:
        anybody.bind(str(folder / "a.sock"))
        anybody.listen()
        await lines.start()
        assert lines.pick() is None
    await lines.aclose()


async def test_a_line_that_is_lost_says_so_at_once(folder: Path) -> None:
    server, lines = LineServer(folder, "a", half), Lines(folder)
    await server.start()
    await lines.start()
    line = lines.pick()
    assert line is not None
    line.close()
    await asyncio.sleep(0.01)
    with pytest.raises(LineLost):
        await line.ask(batch(), None, False)
    await lines.aclose()
    server.close()
