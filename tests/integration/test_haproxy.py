"""The real HAProxy behind our script: whose address counts, and who may be slow."""

import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.embedded import haproxy
from cli.embedded.home import Home
from stores.settings import PROJECT_ROOT
from tests.servers import free_port
from tests.slow_head import trickle_head

BINARY = haproxy.haproxy_binary()
pytestmark = pytest.mark.skipif(BINARY is None, reason="there is no HAProxy here")


class _Echo(BaseHTTPRequestHandler):
    """Answers with the addresses that the request says it comes from."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = ", ".join(self.headers.get_all("x-forwarded-for", [])).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def echo() -> Iterator[int]:
    backend = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    yield backend.server_port
    backend.shutdown()


def rendered(config: Path, echo: int) -> int:
    """HAProxy in front of the echo, with the lines that Ray renders; the port it is to have."""
    found = free_port()
    config.write_text(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 3600s\n"
        "    timeout server 60s\n    timeout http-keep-alive 75s\n"
        f"frontend http_frontend\n    bind *:{found}\n    default_backend echo\n"
        f"backend echo\n    server one 127.0.0.1:{echo}\n"
    )
    return found


@contextmanager
def running(command: list[str], port: int, env: dict[str, str] | None = None) -> Iterator[int]:
    process = subprocess.Popen(command, env=env)
    try:
        _wait_for(port)
        yield port
    finally:
        process.terminate()
        process.wait(10)


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, echo: int) -> Iterator[int]:
    """As `adbid up` starts it."""
    assert BINARY is not None
    monkeypatch.setattr(haproxy, "HEAD_S", 1)
    config = tmp_path / "haproxy.cfg"
    found = rendered(config, echo)
    home = Home(tmp_path / "home")
    home.create()
    script = haproxy.write_wrapper(home, BINARY, "127.0.0.1", found)
    with running([str(script), "-db", "-f", str(config)], found):
        yield found


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("HAProxy did not start")


SPOOFED = [("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8")]


def test_a_client_can_not_choose_its_address(port: int) -> None:
    assert httpx.get(f"http://127.0.0.1:{port}/x", headers=SPOOFED).text == "127.0.0.1"


def test_nobody_is_told_what_serves(port: int) -> None:
    assert "server" not in httpx.get(f"http://127.0.0.1:{port}/x").headers


def test_in_a_pod_ray_starts_the_same_haproxy(tmp_path: Path, echo: int) -> None:
    """By the path that the manifests give it, with nothing written before."""
    config = tmp_path / "haproxy.cfg"
    found = rendered(config, echo)
    pod = {
        "ADBID_HOME": str(tmp_path / "state"),
        "ADBID_HOST": "127.0.0.1",
        "ADBID_PORT": str(found),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(PROJECT_ROOT),
    }
    with running([str(PROJECT_ROOT / "cli/haproxy"), "-db", "-f", str(config)], found, pod):
        assert httpx.get(f"http://127.0.0.1:{found}/x", headers=SPOOFED).text == "127.0.0.1"
    assert f"timeout http-request {haproxy.HEAD_S}s" in config.read_text()
    assert f"bind 127.0.0.1:{found}" in config.read_text()


def test_a_head_that_trickles_is_not_waited_for(port: int) -> None:
    said, after_s = trickle_head(port, patience_s=8)
    assert said.startswith(b"HTTP/1.1 408")
    assert after_s < 5


def test_a_connection_that_rests_between_requests_is_kept(port: int) -> None:
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        assert client.get("/x").status_code == 200
        pool = client._transport._pool  # type: ignore[attr-defined]
        (kept,) = pool.connections
        time.sleep(2)
        assert client.get("/x").status_code == 200
        assert pool.connections == [kept]
