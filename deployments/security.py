"""The guard around every route but the score door's: headers, limits, patience, a count of answers.

Scoring is not limited by key: its queue is (`max_queued_requests`), and what is beyond gets 503.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import structlog
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bidding.errors import AdBidError
from deployments import problems
from deployments.access import COOKIE, VERIFIED
from deployments.metrics import Key, key
from deployments.tracing import TRACE_HEADER, follow

# A body that trickles in is not waited for longer than this.
BODY_TIMEOUT_S = 10.0
OPS_PER_S, OPS_BURST = 200.0, 600.0
EVENTS_PER_S, EVENTS_BURST = 1_000.0, 2_000.0
EVENTS_PATH = "/api/events"
UNLIMITED = ("/healthz", "/readyz", "/metrics", "/api/score", "/assets/")
_MOST_KEYS = 20_000
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})

SAFE_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
NOT_STORED = (b"cache-control", b"no-store")
_POLICY = b"content-security-policy"
API_POLICY = b"default-src 'none'; frame-ancestors 'none'"
# Swagger UI and ReDoc come from where FastAPI's pages load them.
DOCS_POLICY = (
    b"default-src 'none'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    b"style-src 'unsafe-inline' https://cdn.jsdelivr.net https://fonts.googleapis.com; "
    b"font-src https://fonts.gstatic.com; img-src data: https://fastapi.tiangolo.com "
    b"https://cdn.redoc.ly; connect-src 'self'; worker-src blob:; frame-ancestors 'none'"
)
log = structlog.get_logger(__name__)


class RateLimit:
    """`per_s` requests a second of each caller, `burst` at once (GCRA)."""

    def __init__(
        self, per_s: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._cost = 1.0 / per_s
        self._slack = burst / per_s
        self._clock = clock
        self._due: dict[str, float] = {}

    def admits(self, caller: str) -> bool:
        """Count one request; False for one that is too many."""
        now = self._clock()
        due = max(self._due.get(caller, now), now) + self._cost
        if due - now > self._slack:
            return False
        if len(self._due) >= _MOST_KEYS:
            self._due = {name: at for name, at in self._due.items() if at > now}
        if len(self._due) < _MOST_KEYS or caller in self._due:
            self._due[caller] = due
        return True


@dataclass(slots=True)
class HttpMeter:
    """Answers by route, method and status; refusals by limit."""

    answers: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    limited: Counter[str] = field(default_factory=Counter)

    def read(self) -> dict[Key, float]:
        """Every counter's value."""
        found: dict[Key, float] = {
            key("adbid_rate_limited_total", name): self.limited[name] for name in ("ops", "events")
        }
        for (route, method, status), count in self.answers.items():
            found[key("adbid_http_requests_total", route, method, str(status))] = count
        return found


class Guard:
    """ASGI middleware; the outermost one."""

    def __init__(
        self,
        app: ASGIApp,
        meter: HttpMeter | None = None,
        ops: RateLimit | None = None,
        events: RateLimit | None = None,
    ) -> None:
        self._app = app
        self._meter = meter or HttpMeter()
        self._ops = ops or RateLimit(OPS_PER_S, OPS_BURST)
        self._events = events or RateLimit(EVENTS_PER_S, EVENTS_BURST)
        self._proven: dict[int, int] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False
        trace_id = (TRACE_HEADER.encode(), follow(scope["headers"]).encode())

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*safe(scope["path"], message.get("headers", [])), trace_id]
                self._count(scope, message["status"])
                self._learn(scope, message["status"])
            await send(message)

        refusal = self._refusal(scope)
        try:
            await (refusal or self._app)(scope, patient(receive), guarded)
        except Exception as error:  # the boundary to the client: no traceback leaves
            log.error("request_failed", path=scope["path"], exc_info=error)
            if not started:
                unknown = AdBidError("something went wrong here; it was logged")
                await problems.of(unknown)(scope, receive, guarded)

    def _refusal(self, scope: Scope) -> Response | None:
        for name, value in scope["headers"]:
            if name == b"content-encoding" and value.lower() != b"identity":
                said = "compressed bodies are not read; send plain JSON"
                return _problem(415, "Unsupported media type", said)
        path = scope["path"]
        if path.startswith(UNLIMITED):
            return None
        name, limit = ("events", self._events) if path == EVENTS_PATH else ("ops", self._ops)
        if limit.admits(self._caller_of(scope)):
            return None
        self._meter.limited[name] += 1
        return _problem(429, "Too many requests", "you ask too often; wait a second")

    def _caller_of(self, scope: Scope) -> str:
        """A key that was good before, however it is written; else the address, as keys that are
        none cost nothing."""
        claim = claim_of(scope)
        if claim is not None and claim in self._proven:
            return f"key {self._proven[claim]}"
        client = scope.get("client")
        return client[0] if client else ""

    def _learn(self, scope: Scope, status: int) -> None:
        claim = claim_of(scope)
        if claim is None:
            return
        if status == 401:
            self._proven.pop(claim, None)
        elif scope.get(VERIFIED) is not None:
            if len(self._proven) >= _MOST_KEYS:
                self._proven.clear()
            self._proven[claim] = scope[VERIFIED]

    def _count(self, scope: Scope, status: int) -> None:
        route = getattr(scope.get("route"), "path", "other")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._meter.answers[route, method, status] += 1


def claim_of(scope: Scope) -> int | None:
    """The key that a request shows, whether it is good or not."""
    for name, value in scope["headers"]:
        if name == b"authorization" or (name == b"cookie" and COOKIE.encode() in value):
            return hash(value)
    return None


def safe(path: str, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    """The headers with those that every answer has, unless it brings its own."""
    named = {name.lower() for name, _ in headers}
    policy = DOCS_POLICY if path in ("/docs", "/redoc") else API_POLICY
    wanted = (*SAFE_HEADERS, NOT_STORED, (_POLICY, policy))
    return [*headers, *(each for each in wanted if each[0] not in named)]


def patient(receive: Receive) -> Receive:
    """`receive` that gives up on a body that does not come: 408."""
    until = time.monotonic() + BODY_TIMEOUT_S
    done = False

    async def within() -> Message:
        nonlocal done
        if done:  # what comes after a body is a disconnect, however late
            return await receive()
        try:
            async with asyncio.timeout(until - time.monotonic()):
                message = await receive()
        except TimeoutError:
            # FastAPI lets only this error through while it reads a body
            raise HTTPException(408, "the body did not come in time") from None
        done = not message.get("more_body", False)
        return message

    return within


def _problem(status: int, title: str, detail: str) -> Response:
    body = problems.render(status, title, detail)
    return Response(body, status, problems.headers_of(status), problems.CONTENT_TYPE)
