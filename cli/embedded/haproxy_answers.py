"""What HAProxy answers by itself, as the problem documents that the service answers with."""

import json
from typing import NamedTuple

# Seconds within which a request has to be there.
WITHIN_S = 10


class Refusal(NamedTuple):
    """What HAProxy answers by itself."""

    status: int
    phrase: str
    title: str
    detail: str


UNAVAILABLE = Refusal(
    503, "Service Unavailable", "Overloaded", "no replica is ready to answer; try again"
)
OVERLOADED = Refusal(
    503,
    "Service Unavailable",
    "Overloaded",
    "more is asked than can be answered; try again in a moment",
)
TOO_SLOW = Refusal(
    408, "Request Timeout", "Request timeout", f"the request did not come within {WITHIN_S} s"
)


def page(refusal: Refusal, *headers: str) -> str:
    """A whole answer, for HAProxy's `errorfile`."""
    body = problem(refusal)
    head = (
        f"HTTP/1.1 {refusal.status} {refusal.phrase}",
        "Content-Type: application/problem+json",
        *headers,
        "Cache-Control: no-store",
        "Connection: close",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", body))


def problem(refusal: Refusal) -> str:
    """The problem document (RFC 9457) that a client gets of HAProxy itself."""
    fields = {"title": refusal.title, "status": refusal.status, "detail": refusal.detail}
    return json.dumps({"type": "about:blank"} | fields)
