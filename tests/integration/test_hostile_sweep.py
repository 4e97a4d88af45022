"""Every parameter and every field of every route takes what no sane client sends, and answers."""

import asyncio
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from stores.audit import Author
from stores.key_types import SCOPES
from stores.open_keys import open_keys
from stores.settings import Settings
from tests.live_service import live_service

# Percent-encoded, as they stand in a path or a query string.
IN_ADDRESSES = [
    "",
    "%00",
    "a%00b",
    "%ff%fe",
    "%ED%A0%80",
    "%EF%BB%BF1",
    "-0",
    "-1",
    "0",
    str(2**31),
    str(2**63 - 1),
    str(2**63),
    "9" * 400,
    "1e308",
    "NaN",
    "null",
    "%27%20OR%201%3D1--",
    "%25",
    "100%",
    quote("ﷺ" * 300),
    "0001-01-01T00:00:00%2B14:00",
    "9999-12-31T23:59:59-14:00",
    "10000-01-01T00:00:00Z",
    "2026-01-01",
]
# JSON texts, as they stand in a body.
IN_BODIES = [
    "null",
    "[]",
    "{}",
    "true",
    "-0",
    "-0.0",
    "-1",
    "1.5",
    str(2**31),
    str(2**53 + 1),
    str(2**63 - 1),
    str(2**63),
    str(10**40),
    "1e308",
    "1e309",
    "1e-320",
    "NaN",
    "-Infinity",
    '""',
    '" "',
    '"\\u0000"',
    '"a\\u0000b"',
    '"\\ud800"',
    '"\ufeff"',
    '"\\u202e\\u0000"',
    json.dumps("x" * 257),
    json.dumps("ﷺ" * 5_000),
    '"0001-01-01T00:00:00+14:00"',
    '"9999-12-31T23:59:59-14:00"',
    '"9999-12-31T23:59:60Z"',
    '"0000-00-00T00:00:00Z"',
    "[" * 200 + "]" * 200,
]
BID = {
    "bid_id": "b",
    "brand_id": 3,
    "pricing_model": "CPA_PERCENT",
    "amount": 0.5,
    "aov": 10,
    "creative_type": "banner",
    "creative": "c",
    "min_vpi": 0.1,
    "max_vpi": 0.2,
}
NOW = datetime.now(UTC).isoformat()
EVENT = {
    "event_id": "e",
    "type": "click",
    "occurred_at": NOW,
    "decision_id": "0193a5b0-0000-7000-8000-000000000000",
    "bid_id": "b",
}
CONTEXT = {"slot_id": 7, "brand_id": 3, "device_type": "mobile", "creative_type": "banner"}
BODIES: dict[tuple[str, str], dict[str, Any]] = {
    ("POST", "/api/score"): {
        "slot_id": 7,
        "device_type": "mobile",
        "browser": "b",
        "region": "r",
        "city": "c",
        "site": "s",
        "segments": ["1"],
        "timestamp": NOW,
        "auction": "second_price",
        "tmax_ms": 1_000,
        "explain": True,
        "bids": [BID],
    },
    ("POST", "/api/events"): {"events": [EVENT | {"context": CONTEXT}]},
    ("POST", "/strategies"): {"name": "n", "vpi_multiplier": 1, "priority": 1, "reason": "r"},
    ("PUT", "/strategies/1"): {"name": "Sweep", "vpi_multiplier": 1, "priority": 1},
    ("POST", "/strategies/1/what-if"): {"vpi_multiplier": 1.3, "decisions": 10},
    ("POST", "/partners"): {"external_key": "k", "name": "n", "quality": 0.5, "paused": False},
    ("POST", "/slots"): {
        "external_key": "k",
        "name": "n",
        "partner_id": 1,
        "placement_score": 0.5,
        "floor": 1,
        "vertical": "v",
        "width": 1,
        "height": 1,
        "format": "f",
        "paused": False,
    },
    ("POST", "/brands"): {
        "external_key": "k",
        "name": "n",
        "strategy_id": 1,
        "vertical": "v",
        "paused": False,
        "thresholds": {"CPC": {"min_vpi": 0.1, "max_vpi": 0.2}},
    },
    ("POST", "/audit/1/revert"): {"reason": "r"},
}
# Without MLflow these can't be answered; 503 says so.
NEEDS_MLFLOW = ("/api/models", "/api/training")


@pytest.fixture(scope="module")
def client(postgres_url: str, redis_url: str) -> Iterator[httpx.Client]:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)

    async def create() -> str:
        async with open_keys(settings) as keys:
            return (await keys.create("sweep", SCOPES, Author("test"))).token

    headers = {
        "authorization": f"Bearer {asyncio.run(create())}",
        "content-type": "application/json",
        "if-match": "*",
    }
    with (
        live_service(postgres_url, redis_url) as url,
        httpx.Client(base_url=url, headers=headers, timeout=30) as found,
    ):
        yield found


def send(client: httpx.Client, method: str, address: str, body: bytes) -> httpx.Response:
    """The answer, once the service does not say any more that we ask too often."""
    while True:
        answer = client.request(method, address, content=body)
        if answer.status_code != 429:
            return answer
        time.sleep(0.1)


def check(answer: httpx.Response, sent: str) -> None:
    needs = answer.request.url.path.startswith(NEEDS_MLFLOW)
    assert answer.status_code < 500 or (needs and answer.status_code == 503), (
        f"{answer.request.method} {sent}: {answer.status_code} {answer.text[:300]}"
    )


def test_no_parameter_of_any_route_breaks_it(client: httpx.Client) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    swept = 0
    for path, methods in paths.items():
        for method, operation in methods.items():
            for parameter in operation.get("parameters", ()):
                for value in IN_ADDRESSES:
                    address = _address(path, parameter, value)
                    if address is not None:
                        check(send(client, method, address, b"{}"), address)
                        swept += 1
    assert swept > 1_000


def _address(path: str, parameter: dict[str, Any], value: str) -> str | None:
    if parameter["in"] == "query":
        return f"{_filled(path)}?{parameter['name']}={value}"
    if parameter["in"] == "path":
        return _filled(path.replace(f"{{{parameter['name']}}}", value))
    return None


def _filled(path: str) -> str:
    """The path with 1 for whatever else it takes: a number, or a name of nothing."""
    while "{" in path:
        path = path[: path.index("{")] + "1" + path[path.index("}") + 1 :]
    return path


@pytest.mark.parametrize(("route", "body"), BODIES.items(), ids=[" ".join(key) for key in BODIES])
def test_no_field_of_a_body_breaks_its_route(
    client: httpx.Client, route: tuple[str, str], body: dict[str, Any]
) -> None:
    method, path = route
    known = send(client, method, path, json.dumps(body).encode())
    assert known.status_code < 300 or path.startswith("/audit"), known.text
    for where in _leaves(body):
        for text in IN_BODIES:
            sent = _with(body, where, text)
            check(send(client, method, path, sent), f"{path} {where} = {text[:80]}")
    whole = json.dumps(body).encode()
    for sent in (b"\xef\xbb\xbf" + whole, whole[:-1], whole + whole, whole[:-1] + b"," + whole[1:]):
        check(send(client, method, path, sent), f"{path} {sent[:40]!r}")


def _leaves(body: Any, where: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Where anything stands in the body, the whole of it left out."""
    children = body.items() if isinstance(body, dict) else enumerate(body)
    for key, child in children:
        yield (*where, key)
        if isinstance(child, (dict, list)):
            yield from _leaves(child, (*where, key))


def _with(body: dict[str, Any], where: tuple[str | int, ...], text: str) -> bytes:
    mark = "-here it goes-"
    document = json.loads(json.dumps(body))
    holder: Any = document
    for key in where[:-1]:
        holder = holder[key]
    holder[where[-1]] = mark
    return json.dumps(document).replace(json.dumps(mark), text).encode("utf-8", "surrogatepass")
