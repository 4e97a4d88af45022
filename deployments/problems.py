"""RFC 9457 problem details: the one shape of every error this service answers with."""

from collections.abc import Mapping
from typing import Any

import msgspec
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.exceptions import HTTPException
from starlette.routing import Route

from bidding.errors import AdBidError, FieldProblem, PreconditionFailed

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER_S = 1


class ProblemField(msgspec.Struct):
    """One wrong field."""

    path: str
    problem: str


class Problem(msgspec.Struct, omit_defaults=True):
    """An error as the client sees it."""

    title: str
    status: int
    detail: str
    type: str = "about:blank"
    errors: list[ProblemField] = msgspec.field(default_factory=list)
    current: dict[str, Any] | None = None


def render(
    status: int,
    title: str,
    detail: str,
    fields: tuple[FieldProblem, ...] = (),
    current: Mapping[str, Any] | None = None,
) -> bytes:
    """The JSON of one problem; `current` is the row that the client should have seen."""
    errors = [ProblemField(f.path, f.problem) for f in fields]
    row = None if current is None else dict(current)
    return msgspec.json.encode(Problem(title, status, detail, errors=errors, current=row))


def of(error: AdBidError) -> Response:
    """The answer for an error of the domain."""
    current = error.current if isinstance(error, PreconditionFailed) else None
    body = render(error.status_code, error.title, error.detail, error.problems, current)
    return Response(body, error.status_code, headers_of(error.status_code), CONTENT_TYPE)


def headers_of(status: int) -> dict[str, str]:
    """Extra headers a status calls for."""
    if status in (429, 503):
        return {"Retry-After": str(RETRY_AFTER_S)}
    if status == 401:
        return {"WWW-Authenticate": "Bearer"}
    return {}


def install(app: FastAPI) -> None:
    """Answer every error of `app` as problem details."""

    @app.exception_handler(AdBidError)
    async def _domain(_: Request, error: AdBidError) -> Response:
        return of(error)

    @app.exception_handler(RequestValidationError)
    async def _invalid(_: Request, error: RequestValidationError) -> Response:
        found = tuple(_field(problem) for problem in error.errors())
        detail = "; ".join(f"{f.path}: {f.problem}" for f in found)
        return Response(render(422, "Invalid request", detail, found), 422, None, CONTENT_TYPE)

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> Response:
        body = render(error.status_code, str(error.detail), str(error.detail))
        headers = dict(error.headers or {}) | headers_of(error.status_code)
        if error.status_code == 405:
            headers["Allow"] = _allowed(app, request.url.path)
        return Response(body, error.status_code, headers, CONTENT_TYPE)


def _allowed(app: FastAPI, path: str) -> str:
    """Every method of a path; Starlette names those of the first route only."""
    methods: set[str] = set()
    for route in iter_route_contexts(app.routes):
        if isinstance(route.original_route, Route) and route.path_regex.match(path):
            methods |= route.methods or set()
    return ", ".join(sorted(methods))


def _field(problem: Mapping[str, Any]) -> FieldProblem:
    if problem["type"] == "json_invalid":
        why = problem.get("ctx", {}).get("error", "it can't be read")
        return FieldProblem("body", f"is not JSON: {why}")
    return FieldProblem(_path(problem["loc"]), str(problem["msg"]))


def _path(loc: tuple[int | str, ...]) -> str:
    """`("body", "bids", 3, "amount")` as `bids[3].amount`."""
    parts = [part for part in loc if part not in {"body", "query", "path", "header"}]
    text = ""
    for part in parts:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else str(part)
    return text
