"""What a client can not do to HAProxy, as our script has it start."""

import json
import shutil
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.embedded import haproxy
from cli.embedded.home import Home
from tests.answering import Answering
from tests.integration.test_haproxy import BINARY, rendered, running

pytestmark = pytest.mark.skipif(BINARY is None, reason="there is no HAProxy here")
# Of Serve's: each would have it answer 500, or end a request in its own way.
OF_SERVE = (
    "X-Request-ID",
    "x-request-timeout-seconds",
    "x-session-id",
    "X_Session_Id",
    "serve_multiplexed_model_id",
    "Serve-Multiplexed-Model-Id",
    "x-request-disconnect-disabled",
)


class _Told(Answering):
    """Answers with what the request was when it came here."""

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        self.say(
            json.dumps({"path": self.path, "headers": [name.lower() for name in self.headers]})
        )


@pytest.fixture
def door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    assert BINARY is not None
    monkeypatch.setattr(haproxy, "WITHIN_S", 2)
    replica = ThreadingHTTPServer(("127.0.0.1", 0), _Told)
    threading.Thread(target=replica.serve_forever, daemon=True).start()
    home = Home(tmp_path / "home")
    home.create()
    config = tmp_path / "haproxy.cfg"
    port = rendered(config, replica.server_port)
    script = haproxy.write_wrapper(home, BINARY, "127.0.0.1", port, one_host=True)
    with running([str(script), "-db", "-f", str(config)], port):
        yield port
    replica.shutdown()
    replica.server_close()
    shutil.rmtree(home.sockets, ignore_errors=True)


def post(door: int, path: str = "/api/score", **headers: bytes) -> httpx.Response:
    return httpx.post(
        f"http://127.0.0.1:{door}{path}",
        content=b"{}",
        headers=[(name.encode(), value) for name, value in headers.items()],
    )


@pytest.mark.parametrize("name", OF_SERVE)
@pytest.mark.parametrize("path", ["/api/events", "/api/score"])
def test_headers_that_mean_something_to_serve_do_not_reach_it(
    door: int, name: str, path: str
) -> None:
    told = post(door, path, **{name: b"\xff", "x-own": b"kept"}).json()["headers"]
    assert "x-own" in told
    ours = {"x-request-disconnect-disabled"} if path == "/api/score" else set()
    assert {each.lower() for each in OF_SERVE}.intersection(told) == ours


def test_a_path_in_disguise_is_the_path_that_it_means(door: int) -> None:
    told = post(door, "/api/%73core").json()
    assert told["path"] == "/api/score"
    assert "x-arrived-us" in told["headers"]


def test_requests_that_do_not_come_to_an_end_take_no_place_of_others(door: int) -> None:
    head = b"POST /api/score HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n"
    with ExitStack() as held:
        for _ in range(haproxy.AT_LEAST + 10):
            slow = held.enter_context(socket.create_connection(("127.0.0.1", door)))
            slow.sendall(head)
        time.sleep(0.5)
        asked = [post(door).status_code for _ in range(2 * haproxy.AT_EASE_PER_S)]
    assert set(asked) == {200}


def test_a_body_that_does_not_come_gets_a_problem_document(door: int) -> None:
    with socket.create_connection(("127.0.0.1", door)) as slow:
        slow.sendall(b"POST /api/events HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n")
        head, _, body = slow.makefile("rb").read().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 408 ")
    assert json.loads(body)["title"] == "Request timeout"
