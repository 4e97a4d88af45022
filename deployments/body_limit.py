"""No body larger than we read: what comes after the limit is never kept in memory."""

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments import problems
from deployments.json_body import MAX_BODY_BYTES

_SAID = f"the body is larger than {MAX_BODY_BYTES} bytes"


_REFUSAL = Response(problems.render(413, "Too large", _SAID), 413, None, problems.CONTENT_TYPE)


class BodyLimit:
    """ASGI middleware: 413 by the announced length, or as soon as more has come."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if _too_long(Headers(scope=scope).get("content-length", "0")):
            await _REFUSAL(scope, receive, send)
            return
        came = 0

        async def counted() -> Message:
            nonlocal came
            message = await receive()
            came += len(message.get("body", b""))
            if came > MAX_BODY_BYTES:
                # FastAPI lets only this error through while it reads a body
                raise HTTPException(413, _SAID)
            return message

        await self._app(scope, counted, send)


def _too_long(announced: str) -> bool:
    digits = announced.lstrip("0")
    return len(digits) > len(str(MAX_BODY_BYTES)) or (
        digits.isdecimal() and int(digits) > MAX_BODY_BYTES
    )
