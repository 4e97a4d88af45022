"""Who may call each route of the service as it is deployed: all of them, by walking its table."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute, iter_route_contexts

from deployments.access import undeclared_routes
from deployments.ingress import Ingress
from stores.audit import Author
from stores.memory_keys import MemoryKeys

# A route that is not named here fails the test: say who may call it, and have that looked at.
VIEW = {
    "GET /api/decisions",
    "GET /api/decisions/{decision_id}",
    "GET /api/estimates",
    "GET /api/metrics/overview",
    "GET /api/metrics/reasons",
    "GET /api/metrics/vpi",
    "GET /api/models",
    "GET /api/models/{name}/versions/{version}/reliability",
    "GET /api/training/runs",
    "GET /api/training/runs/{submission_id}",
    "GET /audit",
    "GET /metrics",
    "POST /strategies/{id}/what-if",  # reads, and changes nothing
    *(f"GET /{each}" for each in ("brands", "partners", "slots", "strategies")),
    *(f"GET /{each}/{{id}}" for each in ("brands", "partners", "slots", "strategies")),
}
OPS = {
    "POST /audit/{id}/revert",
    *(f"POST /{each}" for each in ("brands", "partners", "slots", "strategies")),
    *(f"PUT /{each}/{{id}}" for each in ("brands", "partners", "slots", "strategies")),
    *(f"DELETE /{each}/{{id}}" for each in ("brands", "partners", "slots", "strategies")),
}
ML = {
    "POST /api/models/{name}/promote",
    "POST /api/models/{name}/rollback",
    "POST /api/training/dry-run",
    "POST /api/training/runs",
}
SCORE = {"POST /api/events", "POST /api/score"}
ANY_KEY = {"GET /api/session"}
# `DELETE /api/session` only takes the caller's own cookie away.
OPEN = {"GET /healthz", "GET /readyz", "POST /api/session", "DELETE /api/session"}
# Pages and their documentation; what they show comes from the routes above.
PAGES = re.compile(r"/(openapi\.json|docs(/.*)?|redoc|app(/.*)?|assets/.*|[\w.-]*)")
# For each scope, a key that holds another one and must not do.
OTHER_KEY = {"view": "score", "ops": "view", "ml": "ops", "score": "view"}


class Unasked:
    """A deployment's handle: no route may reach it before the caller's key was looked at."""

    def options(self, **_: Any) -> "Unasked":
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ("take", "remote"):
            return self
        raise AssertionError(f"{name} was called")


class Deployed:
    """The ingress' own application, off loopback, with keys in memory and nothing behind it."""

    def __init__(self, door: Any, keys: MemoryKeys) -> None:
        self.keys = keys
        self.app: FastAPI = door._app
        transport = httpx.ASGITransport(door)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def status(self, route: str, scope: str | None = None) -> int:
        method, _, path = route.partition(" ")
        headers: dict[str, str] = {}
        if scope is not None:
            token = (await self.keys.create("k", [scope], Author("admin"))).token
            headers["Authorization"] = f"Bearer {token}"
        body: dict[str, str] | None = {} if method in ("POST", "PUT") else None
        path = re.sub(r"\{\w+\}", "1", path)
        return (await self.client.request(method, path, headers=headers, json=body)).status_code


@pytest.fixture
async def deployed(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Deployed]:
    monkeypatch.setenv("DATABASE_URL", "postgresql://nowhere.invalid/x")
    monkeypatch.setenv("REDIS_URL", "redis://nowhere.invalid")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://nowhere.invalid")
    monkeypatch.setenv("ADBID_HOST", "0.0.0.0")
    monkeypatch.delenv("ADBID_METRICS_TOKEN_FILE", raising=False)
    ingress = Ingress.__new__(Ingress)
    await Ingress.__init__(ingress, *[Unasked()] * 5)
    keys = MemoryKeys()
    ingress._ops.access.keys = keys
    found = Deployed(ingress.__serve_build_asgi_app__(), keys)
    yield found
    await found.client.aclose()


def api_routes(app: FastAPI) -> Iterator[str]:
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, APIRoute):
            yield from (f"{method} {route.path}" for method in route.methods or ())


async def test_every_route_is_named_here_with_who_may_call_it(deployed: Deployed) -> None:
    assert undeclared_routes(deployed.app) == []
    found = list(api_routes(deployed.app))
    assert len(found) == len(set(found))
    assert set(found) == VIEW | OPS | ML | SCORE | ANY_KEY | OPEN


async def test_what_is_no_api_route_is_a_page(deployed: Deployed) -> None:
    others = [
        route
        for route in iter_route_contexts(deployed.app.routes)
        if not isinstance(route.original_route, APIRoute)
    ]
    assert others
    for route in others:
        assert PAGES.fullmatch(route.path or ""), route.path
        assert set(route.methods or ()) <= {"GET", "HEAD"}, route.path


async def test_without_a_key_nothing_answers_but_what_is_open(deployed: Deployed) -> None:
    closed = VIEW | OPS | ML | SCORE | ANY_KEY
    assert {route: await deployed.status(route) for route in closed} == dict.fromkeys(closed, 401)
    said = {route: await deployed.status(route) for route in sorted(OPEN)}
    assert said == {
        "GET /healthz": 200,
        "GET /readyz": 200,
        "POST /api/session": 422,
        "DELETE /api/session": 204,
    }


@pytest.mark.parametrize(
    ("scope", "routes"), [("view", VIEW), ("ops", OPS), ("ml", ML), ("score", SCORE)]
)
async def test_a_key_for_something_else_is_refused(
    deployed: Deployed, scope: str, routes: set[str]
) -> None:
    said = {route: await deployed.status(route, OTHER_KEY[scope]) for route in routes}
    assert said == dict.fromkeys(routes, 403)
