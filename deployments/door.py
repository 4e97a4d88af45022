"""The fast door: `POST /api/score` before FastAPI's routing, everything else through it.

Routing and middleware cost a fifth of an ingress process at full load; the one hot route
has no use for them. FastAPI still declares the route, so it is documented and reachable.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bidding.errors import AdBidError, InvalidRequest, TooLarge
from deployments import problems
from deployments.access import Access
from deployments.admission import Admission
from deployments.score_request import MAX_BODY_BYTES
from deployments.tracing import TRACE_HEADER, Tracing, follow

SCORE_PATH = "/api/score"
_JSON = (b"content-type", b"application/json")
_PROBLEM = (b"content-type", problems.CONTENT_TYPE.encode())
_SAFE = ((b"x-content-type-options", b"nosniff"), (b"cache-control", b"no-store"))
# What browsers send with a page's request, and nobody else has to.
_OF_BROWSERS = (b"origin", b"sec-fetch-site")
BODY_TIMEOUT_S = 10.0
log = structlog.get_logger(__name__)


class ScoreHandler(Protocol):
    """Answers one body; raises an `AdBidError` for what it refuses."""

    async def __call__(self, body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
        """`at` is the `time.monotonic()` of the request's arrival at this host."""


class Door:
    """An ASGI application: the score route by hand, the rest by `app`.

    `refused` counts the bundles that got no decision, by HTTP status.
    """

    def __init__(
        self,
        app: ASGIApp,
        score: ScoreHandler,
        access: Access,
        refused: Counter[int] | None = None,
        tracing: Tracing | None = None,
        admission: Admission | None = None,
    ) -> None:
        self._app = app
        self._score = score
        self._access = access
        self._refused = Counter() if refused is None else refused
        self._tracing = tracing
        self._admission = admission or Admission()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == SCORE_PATH and scope["method"] == "POST":
            await self._answer_score(scope["headers"], receive, send)
        else:
            await self._app(scope, receive, send)

    async def _answer_score(
        self, headers: list[tuple[bytes, bytes]], receive: Receive, send: Send
    ) -> None:
        """Check the key, read the body, score it, send the answer or the problem."""
        at = self._admission.arrival(headers)
        trace = None if self._tracing is None else self._tracing.open(headers)
        extra = {} if trace is not None else {TRACE_HEADER: follow(headers)}
        status, kind = 200, _JSON
        try:
            await self._access.admit(headers)
            check_content_type(headers)
            body = await read_body(receive, headers)
            with self._admission:
                body = await self._score(body, headers, at)
        except Exception as caught:  # the boundary to the client: no traceback leaves
            error = expected(caught)
            status, kind = error.status_code, _PROBLEM
            body = problems.render(status, error.title, error.detail, error.problems)
            extra |= problems.headers_of(status)
            self._refused[status] += 1
        if self._tracing is not None and trace is not None:
            extra |= self._tracing.close(trace, status)
        await respond(send, status, body, kind, extra)


def expected(error: Exception) -> AdBidError:
    """The error itself if it is one of ours; a bug is logged and gives nothing away."""
    if isinstance(error, AdBidError):
        return error
    log.error("request_failed", exc_info=error)
    return AdBidError("something went wrong here; it was logged")


async def respond(
    send: Callable[[Message], Awaitable[None]],
    status: int,
    body: bytes,
    kind: tuple[bytes, bytes],
    extra: dict[str, str],
) -> None:
    """Send one whole response."""
    headers = [kind, (b"content-length", str(len(body)).encode()), *_SAFE]
    headers += [(name.lower().encode(), value.encode()) for name, value in extra.items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def check_content_type(headers: list[tuple[bytes, bytes]]) -> None:
    """Refuse a body that is not said to be JSON, or that is compressed.

    Only a client that is no browser may leave the type out: a page of another site can send such
    a body, or `text/plain; json`, without asking, and these routes may be open on loopback.
    """
    kind, browser = None, False
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name in _OF_BROWSERS:
            browser = True
        elif name == b"content-encoding" and value.lower() != b"identity":
            raise UnsupportedMediaType("compressed bodies are not read; send plain JSON")
    if kind is None and browser:
        raise UnsupportedMediaType("there is no content-type; send application/json")
    if kind is not None and not is_json(kind):
        raise UnsupportedMediaType(
            f"content-type is {kind.decode('latin-1')!r}; send application/json "
            "(curl: -H 'content-type: application/json', or --json)"
        )


def is_json(content_type: bytes) -> bool:
    """Whether the media type itself, whatever its parameters, is JSON."""
    kind = content_type.partition(b";")[0].strip().lower()
    return kind == b"application/json" or (
        kind.startswith(b"application/") and kind.endswith(b"+json")
    )


class TooSlow(AdBidError):
    status_code = 408
    title = "Request timeout"


class UnsupportedMediaType(InvalidRequest):
    status_code = 415
    title = "Unsupported media type"


async def read_body(receive: Receive, headers: list[tuple[bytes, bytes]]) -> bytes:
    """The whole body. Raises `TooSlow` after 10 s, and `TooLarge` above 1 MiB, by its announced
    length where there is one."""
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _read_body(receive, headers)
    except TimeoutError:
        raise TooSlow(f"the body did not come within {BODY_TIMEOUT_S:.0f} s") from None


async def _read_body(receive: Receive, headers: list[tuple[bytes, bytes]]) -> bytes:
    for name, value in headers:
        if name == b"content-length" and value.isdigit() and int(value) > MAX_BODY_BYTES:
            raise _too_large()
    message = await receive()
    if message["type"] == "http.disconnect":
        return b""
    first: bytes = message.get("body", b"")
    if not message.get("more_body", False):
        return _bounded(first)
    chunks, size = [first], len(first)
    while message.get("more_body", False):
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        chunks.append(message.get("body", b""))
        size += len(chunks[-1])
        if size > MAX_BODY_BYTES:
            raise _too_large()
    return b"".join(chunks)


def _bounded(body: bytes) -> bytes:
    if len(body) > MAX_BODY_BYTES:
        raise _too_large()
    return body


def _too_large() -> TooLarge:
    return TooLarge(f"the body is larger than {MAX_BODY_BYTES} bytes; split the bundle")
