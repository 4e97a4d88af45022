"""Who may call what: each route says so, and the doors keep to it."""

from typing import Any

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from deployments import api
from deployments.access import COOKIE, Access, scoring_is_open
from deployments.door import Door
from stores.audit import Author
from stores.memory_keys import MemoryKeys
from stores.sign_ins import MemorySignIns

ADMIN = Author("admin")
SITE = {"X-Requested-With": "adbid"}


async def no_score(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
    return b"{}"


def readiness() -> dict[str, Any]:
    return {"ready": True, "degraded": [], "models": {}}


def an_app(access: Access) -> FastAPI:
    router = APIRouter()

    @router.post("/thing", dependencies=[access.require("ops")])
    async def write() -> str:
        return "written"

    @router.get("/thing", dependencies=[access.require("view")])
    async def read() -> str:
        return "read"

    return api.build(no_score, readiness, access, [router])


class Doors:
    """Two ways in: scoring open, scoring closed."""

    def __init__(self) -> None:
        self.keys = MemoryKeys()
        self.now = 1_000_000.0

    def client(self, *, scoring_open: bool = True) -> httpx.AsyncClient:
        access = Access(self.keys, scoring_open=scoring_open, clock=lambda: self.now)
        door = Door(an_app(access), no_score, access)
        return httpx.AsyncClient(transport=httpx.ASGITransport(door), base_url="http://test")

    async def token(self, *scopes: str) -> str:
        return (await self.keys.create("k", scopes, ADMIN)).token


@pytest.fixture
async def doors() -> Doors:
    return Doors()


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_a_route_that_says_nothing_stops_the_service_from_starting() -> None:
    router = APIRouter()
    router.get("/open")(lambda: "x")
    with pytest.raises(RuntimeError, match="/open"):
        api.build(no_score, readiness, Access(MemoryKeys(), scoring_open=True), [router])


async def test_no_key_is_401_and_a_wrong_scope_is_403(doors: Doors) -> None:
    viewer = await doors.token("view")
    async with doors.client() as client:
        for headers in ({}, bearer("nonsense"), {"Authorization": f"Basic {viewer}"}):
            refused = await client.post("/thing", headers=headers)
            assert refused.status_code == 401
            assert refused.headers["www-authenticate"] == "Bearer"
            assert refused.headers["content-type"] == "application/problem+json"
        assert (await client.post("/thing", headers=bearer(viewer))).status_code == 403
        assert (await client.get("/thing", headers=bearer(viewer))).status_code == 200


async def test_ops_and_ml_may_look_and_score_may_not(doors: Doors) -> None:
    async with doors.client() as client:
        for scope, status in (("ops", 200), ("ml", 200), ("score", 403)):
            token = await doors.token(scope)
            assert (await client.get("/thing", headers=bearer(token))).status_code == status


async def test_a_session_cookie_signs_in_and_out(doors: Doors) -> None:
    token = await doors.token("ops")
    async with doors.client() as client:
        signed_in = await client.post("/api/session", json={"key": token}, headers=SITE)
        cookie = signed_in.headers["set-cookie"]
        assert signed_in.json()["scopes"] == ["ops"]
        assert "HttpOnly" in cookie
        assert "samesite=strict" in cookie.lower()
        assert (await client.get("/api/session")).json() == signed_in.json()
        assert (await client.get("/thing")).status_code == 200
        assert (await client.delete("/api/session", headers=SITE)).status_code == 204
        assert (await client.get("/api/session")).status_code == 401


async def test_a_cookie_alone_writes_nothing(doors: Doors) -> None:
    token = await doors.token("ops")
    async with doors.client() as client:
        await client.post("/api/session", json={"key": token})
        assert (await client.post("/thing")).status_code == 403
        assert (await client.delete("/api/session")).status_code == 403
        assert (await client.post("/thing", headers=SITE)).status_code == 200


async def test_a_cookie_ends(doors: Doors) -> None:
    token = await doors.token("ops")
    async with doors.client() as client:
        await client.post("/api/session", json={"key": token})
        doors.now += 13 * 3600
        assert (await client.get("/thing")).status_code == 401
        far = f"{token}.{'9' * 400}"
        for value in ("", token, f"{token}.", f"{token}.x", far):
            headers = {"Cookie": f"{COOKIE}={value}"}
            client.cookies.clear()
            answer = await client.get("/thing", headers=headers)
            assert answer.status_code == (200 if value == far else 401)


async def test_a_cookie_that_ends_beyond_the_calendar_is_401(doors: Doors) -> None:
    token = await doors.token("ops")
    async with doors.client() as client:
        headers = {"Cookie": f"{COOKIE}={token}.{'9' * 12}"}
        assert (await client.get("/api/session", headers=headers)).status_code == 401


async def test_failed_sign_ins_are_limited(doors: Doors) -> None:
    token = await doors.token("ops")
    async with doors.client() as client:
        said = [
            (await client.post("/api/session", json={"key": "wrong"})).status_code
            for _ in range(12)
        ]
        assert said == [401] * 10 + [429] * 2
        limited = await client.post("/api/session", json={"key": token})
        assert limited.status_code == 429
        assert int(limited.headers["retry-after"]) > 0


async def test_the_limit_lets_one_try_again_after_a_while() -> None:
    now = 0.0
    sign_ins = MemorySignIns(burst=2, clock=lambda: now)
    await sign_ins.failed("a")
    await sign_ins.failed("a")
    assert await sign_ins.blocked("a")
    assert not await sign_ins.blocked("b")
    now = 1.5
    assert not await sign_ins.blocked("a")


async def test_scoring_is_open_on_loopback_and_needs_a_key_elsewhere(doors: Doors) -> None:
    scorer, viewer = await doors.token("score"), await doors.token("view")
    async with doors.client() as client:
        assert (await client.post("/api/score", json={})).status_code == 200
    async with doors.client(scoring_open=False) as client:
        assert (await client.post("/api/score", json={})).status_code == 401
        refused = await client.post("/api/score", json={}, headers=bearer(viewer))
        assert refused.status_code == 403
        answer = await client.post("/api/score", json={}, headers=bearer(scorer))
        assert answer.status_code == 200
    hosts = {"127.0.0.1": True, "localhost": True, "::1": True, "0.0.0.0": False, "10.1.2.3": False}
    assert {host: scoring_is_open(host) for host in hosts} == hosts


async def test_a_wrong_key_is_not_said_again(doors: Doors) -> None:
    async with doors.client() as client:
        answer = await client.post("/api/session", json={"key": "secret" * 100})
        assert answer.status_code == 422
        assert "secretsecret" not in answer.text
