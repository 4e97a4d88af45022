"""The trace id: in every answer, and in every log line of its request, in whichever replica."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import numpy as np
import pytest
import structlog
from fastapi import APIRouter
from structlog.testing import LogCapture

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments import api, door, logs, security
from deployments.access import PUBLIC, Access
from deployments.calls import Calls
from deployments.door import Door
from deployments.features import Features
from deployments.gather import Gather
from deployments.logs import TRACE_ID
from deployments.scoring import Scoring
from stores.memory_keys import MemoryKeys

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
NO_BIDS = ScoreBatch.__new__(ScoreBatch)


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Any]]:
    """What is logged, as it is configured in a replica."""
    before = structlog.get_config()
    captured = LogCapture()
    for module in (door, logs, security):  # theirs may be bound to what an earlier test set up
        monkeypatch.setattr(module, "log", structlog.get_logger(module.__name__))
    structlog.configure(
        processors=[logs.add_trace, captured], cache_logger_on_first_use=False, wrapper_class=None
    )
    TRACE_ID.set(None)  # whatever an earlier test answered in this thread
    yield captured.entries
    structlog.configure(**before)


async def broken_score(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
    raise RuntimeError("a bug")


def client() -> httpx.AsyncClient:
    router = APIRouter()

    @router.get("/broken", dependencies=[PUBLIC])
    async def broken() -> None:
        raise RuntimeError("a bug")

    @router.get("/broken-in-a-thread", dependencies=[PUBLIC])
    def broken_in_a_thread() -> None:
        structlog.get_logger().info("a_line")

    access = Access(MemoryKeys(), scoring_open=True)
    app = api.build(broken_score, dict, access, [router])
    transport = httpx.ASGITransport(Door(app, broken_score, access), raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://test")


@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/api/score"), ("GET", "/broken"), ("GET", "/broken-in-a-thread")],
)
async def test_every_route_logs_and_answers_with_the_trace_that_came(
    method: str, path: str, lines: list[Any]
) -> None:
    async with client() as http:
        answer = await http.request(method, path, headers=HEADERS)
    assert answer.headers["x-trace-id"] == TRACE
    assert [line["trace_id"] for line in lines] == [TRACE]


@pytest.mark.parametrize(("method", "path"), [("POST", "/api/score"), ("GET", "/no-such-page")])
async def test_a_request_without_a_trace_is_given_its_own(
    method: str, path: str, lines: list[Any]
) -> None:
    async with client() as http:
        found = [(await http.request(method, path)).headers["x-trace-id"] for _ in range(2)]
    assert found[0] != found[1]
    assert {len(each) for each in found} == {32}
    assert [line["trace_id"] for line in lines] == (found if path == "/api/score" else [])


@dataclass
class Handle:
    """A deployment's handle that keeps what it was called with, and fails."""

    called: list[tuple[str, Any]] = field(default_factory=list)

    def options(self, **_: Any) -> "Handle":
        return self

    def __getattr__(self, name: str) -> Any:
        return _Method(self, name)


@dataclass
class _Method:
    handle: Handle
    name: str

    async def remote(self, *arguments: Any) -> Any:
        self.handle.called.append((self.name, arguments[-1]))
        raise ConnectionError("it died")


@pytest.mark.parametrize("traced", [False, True])
async def test_calls_of_other_replicas_carry_it(traced: bool, lines: list[Any]) -> None:
    handle: Any = Handle()
    calls = Calls(handle, handle, handle, traced=traced)
    TRACE_ID.set(TRACE)
    await calls.fetch_slots([1], 1.0, 0)
    for asked in (
        calls.score([NO_BIDS]),
        calls.explain(NO_BIDS),
        calls.score_by("adbid-ctr", "1", NO_BIDS),
    ):
        with pytest.raises(StoreUnavailable):
            await asked
    ending = "_traced" if traced else ""
    names = [f"fetch_slots{ending}", f"score{ending}", "explain", "score_version"]
    assert handle.called == [(name, TRACE) for name in names]
    assert [line["trace_id"] for line in lines] == [TRACE, TRACE]


class _Broken:
    """A model slot, or a store, with a bug."""

    @property
    def current(self) -> Any:
        raise RuntimeError("a bug")

    async def fetch_slots(self, *_: Any) -> Any:
        raise RuntimeError("a bug")


async def test_a_replica_that_was_called_logs_with_its_callers_trace(lines: list[Any]) -> None:
    scoring, features = Scoring.__new__(Scoring), Features.__new__(Features)
    broken: Any = _Broken()
    scoring._ctr = scoring._cvr = features._store = broken
    scoring._explainer = ThreadPoolExecutor(1)
    empty: Any = type("Batch", (), {"ctr": np.empty(0), "cvr": np.empty(0)})()
    asked = [
        scoring.score(empty, TRACE),
        scoring.score_traced(empty, TRACE),
        scoring.explain(empty, TRACE),
        scoring.score_version("adbid-ctr", None, empty, TRACE),
        features.fetch_slots([1], 1.0, 0, TRACE),
        features.fetch_slots_traced([1], 1.0, 0, TRACE),
    ]
    for each in asked:
        with pytest.raises(RuntimeError):
            await each
    said = [(line["event"], line["call"], line["trace_id"]) for line in lines]
    names = ("score", "score", "explain", "score_version", "fetch_slots", "fetch_slots")
    assert said == [("call_failed", name, TRACE) for name in names]
    assert TRACE_ID.get() is None


async def test_what_a_store_can_not_do_is_no_bug(lines: list[Any]) -> None:
    with pytest.raises(StoreUnavailable), logs.answering(TRACE, "fetch_slots"):
        raise StoreUnavailable("away")
    assert lines == []


async def test_a_gathered_call_is_made_in_the_name_of_its_first_caller() -> None:
    seen: list[str | None] = []

    async def send(items: Any) -> list[int]:
        seen.append(TRACE_ID.get())
        await asyncio.sleep(0)
        return list(items)

    gather = Gather[int, int](send, max_weight=10)

    async def ask(number: int) -> None:
        TRACE_ID.set(str(number))
        await gather.ask(number)

    await asyncio.gather(*(ask(number) for number in range(3)))
    assert seen == ["0", "1"]
