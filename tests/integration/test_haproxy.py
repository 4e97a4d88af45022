"""The real HAProxy behind our script: whose address counts, and who may be slow."""

import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.embedded import haproxy
from cli.embedded.home import Home
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
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """HAProxy in front of an echo, on a configuration with the lines that Ray renders."""
    assert BINARY is not None
    monkeypatch.setattr(haproxy, "HEAD_S", 1)
    backend = ThreadingHTTPServer(("127.0.0.1", 0), _Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    found = free_port()
    config = tmp_path / "haproxy.cfg"
    config.write_text(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 3600s\n"
        "    timeout server 60s\n    timeout http-keep-alive 75s\n"
        f"frontend http_frontend\n    bind *:{found}\n    default_backend echo\n"
        f"backend echo\n    server one 127.0.0.1:{backend.server_port}\n"
    )
    home = Home(tmp_path / "home")
    for folder in (home.run, home.sockets):
        folder.mkdir(parents=True, exist_ok=True)
    script = haproxy.write_wrapper(home, BINARY, "127.0.0.1", found)
    process = subprocess.Popen([str(script), "-db", "-f", str(config)])
    try:
        _wait_for(found)
        yield found
    finally:
        process.terminate()
        process.wait(10)
        backend.shutdown()


def _wait_for(port: int) -> None:
    for _ in range(100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("HAProxy did not start")


def test_a_client_can_not_choose_its_address(port: int) -> None:
    headers = [("X-Forwarded-For", "1.2.3.4"), ("x-forwarded-for", "5.6.7.8")]
    assert httpx.get(f"http://127.0.0.1:{port}/x", headers=headers).text == "127.0.0.1"


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
