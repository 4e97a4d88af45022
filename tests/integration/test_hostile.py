"""What hostile clients send, and what they get: a problem that names it, never a 500."""

import asyncio
import gzip
import json
import socket
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from stores.audit import Author
from stores.key_types import SCOPES
from stores.open_keys import open_keys
from stores.settings import Settings
from tests.live_service import live_service

SCORE, EVENTS = "/api/score", "/api/events"
BID = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
STRATEGY = {"name": "hostile", "vpi_multiplier": 1.0}
# Python 3.13 reads so many levels, and no strategy is a list; those before it do not.
TOO_DEEP = 422 if sys.version_info >= (3, 13) else 400
MIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Sent:
    """One hostile request: what it is, and which statuses are right for it."""

    what: str
    path: str
    body: Any
    status: int
    method: str = "POST"
    headers: dict[str, str] = field(default_factory=dict)
    keyed: bool = True


def bundle(**changes: Any) -> dict[str, Any]:
    return {"slot_id": 7, "bids": [BID], "tmax_ms": 5_000} | changes


def keyed_slot(slot: str) -> dict[str, Any]:
    return {"slot": slot, "bids": [BID], "tmax_ms": 5_000}


def bid(**changes: Any) -> dict[str, Any]:
    return bundle(bids=[BID | changes])


def raw(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def deep(levels: int) -> bytes:
    return b'{"slot_id":7,"bids":' + b"[" * levels + b"]" * levels + b"}"


JSON = {"content-type": "application/json"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
PAGE = {"content-type": "", "origin": "https://evil.example"}
SCORING = [
    Sent("nothing", SCORE, b"", 422),
    Sent("no JSON", SCORE, b"{", 422),
    Sent("a list", SCORE, [], 422),
    Sent("null", SCORE, b"null", 422),
    Sent("a number of 10,000 digits", SCORE, b"9" * 10_000, 422),
    Sent("10,000 levels of lists", SCORE, deep(10_000), 422),
    Sent("100,000 levels of objects", SCORE, b'{"a":' * 100_000, 422),
    Sent("no bids", SCORE, bundle(bids=[]), 422),
    Sent("bids that are no list", SCORE, bundle(bids={"0": BID}), 422),
    Sent("1,001 bids", SCORE, bundle(bids=[BID | {"bid_id": f"b{n}"} for n in range(1001)]), 413),
    Sent("one bid twice", SCORE, bundle(bids=[BID, BID]), 422),
    Sent("an unknown field", SCORE, bundle(admin=True), 422),
    Sent("__proto__", SCORE, raw('{"__proto__":{},"slot_id":7,"bids":[]}'), 422),
    Sent("a key twice", SCORE, raw('{"slot_id":7,"slot_id":"x","bids":[]}'), 422),
    Sent("neither slot", SCORE, {"bids": [BID]}, 422),
    Sent("both slots", SCORE, bundle(slot="top"), 422),
    Sent("slot 0", SCORE, bundle(slot_id=0), 422),
    Sent("slot 2^63", SCORE, bundle(slot_id=2**63), 422),
    Sent("slot 2^63-1", SCORE, bundle(slot_id=2**63 - 1), 404),
    Sent("slot 1e999", SCORE, raw('{"slot_id":1e999,"bids":[]}'), 422),
    Sent("SQL for a slot", SCORE, keyed_slot("' OR 1=1; DROP TABLE slot;--"), 404),
    Sent("Lua for a slot", SCORE, keyed_slot("redis.call('FLUSHALL')"), 404),
    Sent("a Redis command for a slot", SCORE, keyed_slot("x\r\nFLUSHALL\r\n"), 404),
    Sent("a path for a slot", SCORE, keyed_slot("../../etc/passwd"), 404),
    Sent("a NUL in a slot", SCORE, {"slot": "a\0b", "bids": [BID]}, 422),
    Sent("half a surrogate", SCORE, raw('{"slot":"\\ud800","bids":[]}'), 422),
    Sent("bytes that are no UTF-8", SCORE, b'{"slot":"\xff\xfe","bids":[]}', 422),
    Sent("UTF-16", SCORE, json.dumps(bundle()).encode("utf-16"), 422),
    Sent("NaN", SCORE, bid(amount=float("nan")), 422),
    Sent("Infinity", SCORE, bid(amount=float("inf")), 422),
    Sent("a negative amount", SCORE, bid(amount=-0.01), 422),
    Sent("an amount of 1e308", SCORE, bid(amount=1e308), 422),
    Sent("an amount in words", SCORE, bid(amount="1"), 422),
    Sent("true for an amount", SCORE, bid(amount=True), 422),
    Sent("a share above all", SCORE, bid(pricing_model="CPA_PERCENT", amount=2, aov=10), 422),
    Sent("a share of nothing", SCORE, bid(pricing_model="CPA_PERCENT", amount=0.1), 422),
    Sent("an unknown model", SCORE, bid(pricing_model="CPX"), 422),
    Sent("a brand of 2^64", SCORE, bid(brand_id=2**64), 422),
    Sent("a brand that is nobody", SCORE, bid(brand_id=2**62), 200),
    Sent("min above max", SCORE, bid(min_vpi=2, max_vpi=1), 422),
    Sent("a bid id of 300 letters", SCORE, bid(bid_id="x" * 300), 422),
    Sent("a device of 300 letters", SCORE, bundle(device_type="x" * 300), 422),
    Sent("1,001 segments", SCORE, bundle(segments=["s"] * 1001), 422),
    Sent("no time to answer", SCORE, bundle(tmax_ms=0), 422),
    Sent("an hour to answer", SCORE, bundle(tmax_ms=3_600_000), 422),
    Sent("the year 10000", SCORE, bundle(timestamp="10000-01-01T00:00:00Z"), 422),
    Sent("the year 1", SCORE, bundle(timestamp="0001-01-01T00:00:00Z"), 200),
    Sent("a zone before year 1", SCORE, bundle(timestamp="0001-01-01T00:00:00+14:00"), 422),
    Sent("a zone after year 9999", SCORE, bundle(timestamp="9999-12-31T23:59:59-14:00"), 422),
    Sent("2 MiB", SCORE, b" " * 2 * MIB, 413),
    Sent("a form", SCORE, b"slot_id=7", 415, headers={"content-type": "text/plain"}),
    Sent("a curl without a header", SCORE, b"{}", 415, headers=FORM),
    Sent("text that says json", SCORE, b"{}", 415, headers={"content-type": "text/plain; json"}),
    Sent("json by parts", SCORE, b"{}", 415, headers={"content-type": "multipart/x-json"}),
    Sent("a page's body of no type", SCORE, b"{}", 415, headers=PAGE),
    Sent("XML", SCORE, b"<x/>", 415, headers={"content-type": "application/xml"}),
    Sent("gzip", SCORE, gzip.compress(b"{}"), 415, headers={"content-encoding": "gzip"}),
    Sent("two codings", SCORE, b"{}", 415, headers={"content-encoding": "identity, gzip"}),
    Sent("GET", SCORE, None, 405, "GET"),
    Sent("a preflight", SCORE, None, 405, "OPTIONS", {"origin": "https://evil.example"}),
]
OTHERS = [
    Sent(
        "a bomb",
        "/strategies",
        gzip.compress(b" " * 50 * MIB),
        415,
        headers={"content-encoding": "gzip"},
    ),
    Sent("2 MiB", "/strategies", b" " * 2 * MIB, 413),
    Sent("no JSON", "/strategies", b"{", 422),
    Sent("5,000 levels", "/strategies", b"[" * 5_000 + b"]" * 5_000, TOO_DEEP),
    Sent("100,000 closed levels", "/strategies", b"[" * 100_000 + b"]" * 100_000, 400),
    Sent("100,000 levels", "/strategies", b"[" * 100_000, 400),
    Sent("bytes that are no UTF-8", "/strategies", b'{"name":"\xff"}', 400),
    Sent("NaN", "/strategies", raw('{"name":"x","vpi_multiplier":NaN}'), 422),
    Sent(
        "a number of 5,000 digits",
        "/strategies",
        raw('{"name":"x","vpi_multiplier":1,"priority":' + "9" * 5_000 + "}"),
        400,
    ),
    Sent("a name of 100 kB", "/strategies", STRATEGY | {"name": "x" * 100_000}, 422),
    Sent(
        "a script for a name is a name",
        "/strategies",
        STRATEGY | {"name": "<script>alert(1)</script>"},
        201,
    ),
    Sent("an id that is no number", "/strategies/1;DROP", None, 422, "GET"),
    Sent("an id of 2^64", f"/strategies/{2**64}", None, 422, "GET"),
    Sent("a path upwards", "/..%2f..%2fetc/passwd", None, 404, "GET"),
    Sent("a path to the dashboard's sources", "/assets/..%2f..%2fpackage.json", None, 404, "GET"),
    Sent("SQL in a filter", "/audit?entity=strategy'%3B--", None, 200, "GET"),
    Sent("TRACE", "/strategies", None, 405, "TRACE"),
    Sent("an If-Match of 60 kB", "/strategies/1", STRATEGY, 422, "PUT", {"if-match": "x" * 60_000}),
    Sent("no key", "/strategies", None, 401, "GET", keyed=False),
    Sent(
        "a key that is none",
        "/strategies",
        None,
        401,
        "GET",
        {"authorization": "Bearer ' OR 1=1"},
        False,
    ),
    Sent(
        "a key with odd letters",
        "/strategies",
        None,
        401,
        "GET",
        {"authorization": "Bearer \xff\xfe"},
        False,
    ),
    Sent(
        "a cookie that is none",
        "/strategies",
        None,
        401,
        "GET",
        {"cookie": "adbid_session=x.99999999999999999999"},
        False,
    ),
    Sent("events that are no list", EVENTS, {"events": "all"}, 422),
    Sent("a page's body of no type", EVENTS, b"{}", 415, headers=PAGE),
    Sent("1,001 events", EVENTS, {"events": [{}] * 1001}, 422),
    Sent("gzip", EVENTS, gzip.compress(b"{}"), 415, headers={"content-encoding": "gzip"}),
    Sent("10,000 levels", EVENTS, b'{"events":' + b"[" * 10_000, 422),
    Sent("2 MiB", EVENTS, b" " * 2 * MIB, 413),
]


@pytest.fixture(scope="module")
def url(postgres_url: str, redis_url: str) -> Iterator[str]:
    with live_service(postgres_url, redis_url) as found:
        yield found


@pytest.fixture(scope="module")
def token(postgres_url: str, redis_url: str) -> str:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)

    async def create() -> str:
        async with open_keys(settings) as keys:
            return (await keys.create("hostile", SCOPES, Author("test"))).token

    return asyncio.run(create())


def send(url: str, token: str, sent: Sent) -> httpx.Response:
    body = sent.body if isinstance(sent.body, bytes) else json.dumps(sent.body).encode()
    headers: dict[str, str] = {} if sent.body is None else JSON
    if sent.keyed:
        headers = headers | {"authorization": f"Bearer {token}"}
    given = {name: value for name, value in (headers | sent.headers).items() if value}
    encoded = {name: value.encode("latin-1") for name, value in given.items()}
    content = None if sent.body is None else body
    return httpx.request(sent.method, url + sent.path, content=content, headers=encoded, timeout=30)


@pytest.mark.parametrize("sent", [*SCORING, *OTHERS], ids=lambda sent: f"{sent.path} {sent.what}")
def test_it_is_refused_and_told_why(url: str, token: str, sent: Sent) -> None:
    answer = send(url, token, sent)
    assert answer.status_code == sent.status, answer.text[:500]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in answer.headers
    assert "Traceback" not in answer.text
    if answer.status_code >= 400 and sent.method != "HEAD":
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == sent.status
        assert len(answer.content) < 20_000


def speak(url: str, text: bytes, *, end: bool = True) -> bytes:
    """Say this on a raw connection; what is answered until it is closed, or 3 s are over."""
    parts = urlsplit(url)
    with socket.create_connection((parts.hostname or "", parts.port or 0), timeout=3) as talk:
        talk.sendall(text)
        if end:
            talk.shutdown(socket.SHUT_WR)
        found = b""
        try:
            while part := talk.recv(65_536):
                found += part
        except TimeoutError:
            pass
        return found


@pytest.mark.parametrize(
    "said",
    [
        b"\x00\x01\x02\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /api/score HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n",
        b"POST /api/score HTTP/1.1\r\nhost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\n{}",
        b"POST /api/score HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n{}\r\n",
        b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
    ids=["noise", "version", "length", "two lengths", "chunks", "a long path"],
)
def test_a_broken_request_breaks_nothing(url: str, said: bytes) -> None:
    try:
        found = speak(url, said, end=False)
    except OSError:
        found = b""
    assert not found.startswith(b"HTTP/1.1 2")
    assert not found.startswith(b"HTTP/1.1 5")
    assert httpx.get(f"{url}/healthz", timeout=10).status_code == 200


def test_two_requests_hidden_in_one_are_not_smuggled(url: str) -> None:
    """Both a length and chunks: refused, or the connection ends after the first answer."""
    inner = b"GET /strategies HTTP/1.1\r\nhost: x\r\n\r\n"
    found = speak(
        url,
        b"POST /api/score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        b"content-length: 4\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + inner,
        end=False,
    )
    assert found.count(b"HTTP/1.1 2") == 0


@pytest.mark.parametrize("path", [SCORE, EVENTS, "/strategies"])
def test_a_body_that_trickles_is_not_waited_for(
    url: str, token: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deployments.door.BODY_TIMEOUT_S", 0.5)
    monkeypatch.setattr("deployments.security.BODY_TIMEOUT_S", 0.5)
    head = (
        f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {token}\r\ncontent-length: 100\r\n\r\n"
    )
    found = speak(url, head.encode() + b'{"slot', end=False)
    assert found.startswith(b"HTTP/1.1 408"), found[:300]


def test_pages_of_the_api_have_a_policy(url: str) -> None:
    api = httpx.get(f"{url}/healthz").headers
    assert api["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"
    docs = httpx.get(f"{url}/docs").headers
    assert "https://cdn.jsdelivr.net" in docs["content-security-policy"]
    assert api["x-frame-options"] == docs["x-frame-options"] == "DENY"
