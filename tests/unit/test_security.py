"""The guard and the door: who asks too often waits, and a bug tells nothing."""

import asyncio
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from deployments.access import VERIFIED, Access
from deployments.admission import MOST_UNDER_WAY
from deployments.door import Door
from deployments.metrics import key
from deployments.routes.prometheus import read_token
from deployments.security import Guard, HttpMeter, RateLimit
from stores.memory_keys import MemoryKeys


@dataclass(slots=True)
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_is_let_through_and_then_so_many_a_second() -> None:
    clock = Clock()
    limit = RateLimit(2, 3, clock)
    assert [limit.admits("a") for _ in range(5)] == [True, True, True, False, False]
    assert limit.admits("b")
    clock.now += 0.5
    assert [limit.admits("a") for _ in range(2)] == [True, False]
    clock.now += 100
    assert [limit.admits("a") for _ in range(4)] == [True, True, True, False]


async def bug(_: Request) -> Response:
    raise RuntimeError("secret: hunter2")


async def fine(request: Request) -> Response:
    """As a route with a key does: 401 for one that is none."""
    if request.headers.get("authorization", "").startswith("Bearer none"):
        return PlainTextResponse("who?", 401)
    request.scope[VERIFIED] = int(request.headers["authorization"].split()[1])
    return PlainTextResponse("fine")


def a_client(meter: HttpMeter) -> httpx.AsyncClient:
    app = Starlette(
        routes=[Route("/bug", bug), Route("/slots", fine), Route("/api/events", fine)],
    )
    app.add_middleware(Guard, meter=meter, ops=RateLimit(1, 2), events=RateLimit(1, 4))
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


async def test_each_key_has_its_own_limit_and_is_told_to_wait() -> None:
    meter = HttpMeter()
    async with a_client(meter) as client:
        first, second = ({"authorization": f"Bearer {n}"} for n in (1, 2))
        for each in (first, second):  # before it is known to be good, the address counts
            assert (await client.get("/slots", headers=each)).status_code == 200
        answers = [await client.get("/slots", headers=first) for _ in range(3)]
        other = await client.get("/slots", headers=second)
        events = [await client.get("/api/events", headers=first) for _ in range(5)]
    assert [a.status_code for a in answers] == [200, 200, 429]
    assert answers[-1].headers["retry-after"] == "1"
    assert answers[-1].headers["content-type"] == "application/problem+json"
    assert other.status_code == 200
    assert [a.status_code for a in events] == [200] * 4 + [429]
    found = meter.read()
    assert found[key("adbid_rate_limited_total", "ops")] == 1
    assert found[key("adbid_rate_limited_total", "events")] == 1


async def test_a_key_has_one_limit_however_it_is_written() -> None:
    written = [f"Bearer{blanks}1" for blanks in (" ", "  ", "   ") for _ in range(3)]
    async with a_client(HttpMeter()) as client:
        said = [
            (await client.get("/api/events", headers={"authorization": each})).status_code
            for each in written
        ]
    # the first of each three is the address's, as nobody knows yet whose that is
    assert said == [200] * 7 + [429, 429]


async def test_keys_that_are_none_share_the_limit_of_their_address() -> None:
    async with a_client(HttpMeter()) as client:
        said = [
            (await client.get("/slots", headers={"authorization": f"Bearer none{n}"})).status_code
            for n in range(4)
        ]
    assert said == [401, 401, 429, 429]


async def test_what_could_not_be_answered_in_time_is_refused_at_once() -> None:
    go = asyncio.Event()

    async def slow(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
        await go.wait()
        return b"{}"

    refused: Counter[int] = Counter()
    access = Access(MemoryKeys(), scoring_open=True)
    transport = httpx.ASGITransport(Door(Starlette(), slow, access, refused))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        waiting = [
            asyncio.create_task(client.post("/api/score", json={})) for _ in range(MOST_UNDER_WAY)
        ]
        await asyncio.sleep(0.2)
        shed = await client.post("/api/score", json={})
        go.set()
        served = await asyncio.gather(*waiting)
        again = await client.post("/api/score", json={})
    assert (shed.status_code, shed.headers["retry-after"]) == (503, "1")
    assert shed.json()["title"] == "Overloaded"
    assert {answer.status_code for answer in served} == {200}
    assert again.status_code == 200
    assert refused == {503: 1}


async def test_a_bug_is_a_problem_without_its_reasons() -> None:
    async with a_client(HttpMeter()) as client:
        answer = await client.get("/bug")
    assert answer.status_code == 500
    assert answer.json()["status"] == 500
    assert "hunter2" not in answer.text
    assert answer.headers["content-security-policy"].startswith("default-src 'none'")


def test_prometheus_may_share_a_secret_by_a_file(tmp_path: Path) -> None:
    assert read_token({}) is None
    (tmp_path / "token").write_text("s3cret\n")
    assert read_token({"ADBID_METRICS_TOKEN_FILE": str(tmp_path / "token")}) == "s3cret"
