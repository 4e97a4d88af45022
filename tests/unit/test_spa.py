"""The dashboard's files: headers, compression, deep links, and what stays the API's."""

from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest
from fastapi import APIRouter, FastAPI

from deployments import problems, spa

PAGE = "<!doctype html><title>dashboard</title>"


@pytest.fixture
def dist(tmp_path: Path) -> Path:
    (tmp_path / "assets").mkdir()
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "theme.js").write_text("'theme'")
    (tmp_path / "assets" / "main-abc.js").write_text("plain")
    (tmp_path / "assets" / "main-abc.js.gz").write_bytes(b"zipped")
    (tmp_path / "assets" / "main-abc.js.br").write_bytes(b"brotli")
    (tmp_path / ".built").touch()
    (tmp_path.parent / "secret.txt").write_text("secret")
    return tmp_path


@pytest.fixture
async def client(dist: Path) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    problems.install(app)
    router = APIRouter()

    @router.get("/strategies")
    async def strategies() -> list[str]:
        return ["Balanced"]

    app.include_router(router)
    spa.install(app, dist)
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://adbid") as client:
        yield client


@pytest.mark.parametrize("path", ["/", "/app", "/app/strategies", "/app/decisions/0197?bid=b1"])
async def test_a_page_answers_with_the_index_under_a_strict_policy(
    client: httpx.AsyncClient, path: str
) -> None:
    answer = await client.get(path)
    assert answer.status_code == 200
    assert answer.text == PAGE
    assert answer.headers["content-type"].startswith("text/html")
    assert answer.headers["cache-control"] == "no-cache"
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    ("accepted", "coding", "body"),
    [
        ("gzip, deflate, br", "br", b"brotli"),
        ("gzip", "gzip", b"zipped"),
        ("br;q=0, gzip;q=0.5", "gzip", b"zipped"),
        ("identity", None, b"plain"),
        ("br;q=x", None, b"plain"),
    ],
)
async def test_an_asset_is_sent_as_it_was_compressed_at_build_time(
    client: httpx.AsyncClient, accepted: str, coding: str | None, body: bytes
) -> None:
    headers = {"accept-encoding": accepted}
    async with client.stream("GET", "/assets/main-abc.js", headers=headers) as answer:
        assert b"".join([part async for part in answer.aiter_raw()]) == body
    assert answer.headers.get("content-encoding") == coding
    assert answer.headers["cache-control"] == spa.IMMUTABLE
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["content-type"].startswith("text/javascript")


async def test_what_the_browser_has_is_not_sent_again(client: httpx.AsyncClient) -> None:
    first = await client.get("/theme.js")
    again = await client.get("/theme.js", headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304
    assert again.content == b""


async def test_a_route_of_the_api_is_never_shadowed(client: httpx.AsyncClient) -> None:
    answer = await client.get("/strategies", headers={"accept": "text/html"})
    assert answer.json() == ["Balanced"]


@pytest.mark.parametrize(
    "path",
    [
        "/nothing",
        "/api/nothing",
        "/assets/gone.js",
        "/assets/../../secret.txt",
        "/assets/%2e%2e/index.html",
        "/index.html",
        "/.built",
        "/application",
    ],
)
async def test_any_other_path_stays_a_problem(client: httpx.AsyncClient, path: str) -> None:
    answer = await client.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert answer.headers["content-type"] == problems.CONTENT_TYPE
    assert answer.json()["status"] == 404


async def test_pages_are_read_only(client: httpx.AsyncClient) -> None:
    answer = await client.post("/app/strategies")
    assert answer.status_code == 405
    assert answer.headers["content-type"] == problems.CONTENT_TYPE


async def test_without_a_build_there_is_no_dashboard(tmp_path: Path) -> None:
    app = FastAPI()
    problems.install(app)
    spa.install(app, tmp_path / "none")
    transport = httpx.ASGITransport(app=app)
    async with httpx.AsyncClient(transport=transport, base_url="http://adbid") as client:
        assert (await client.get("/")).status_code == 404
