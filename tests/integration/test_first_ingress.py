"""The real HAProxy gives bundles to the first ingress and all else to the last, as far as those can
hold them."""

import http.client
import shutil
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.embedded import haproxy
from cli.embedded.home import Home
from tests.answering import Answering
from tests.integration.test_haproxy import BINARY, running
from tests.servers import free_port

pytestmark = pytest.mark.skipif(BINARY is None, reason="there is no HAProxy here")
HOLDS = 3
BUNDLE, EVENTS = "/api/score", "/api/events"


class Replica(ThreadingHTTPServer):
    """Answers with its name when it is let: bundles and events, and whether it is well."""

    request_queue_size = 64
    daemon_threads = True

    def __init__(self, name: str) -> None:
        self.name = name
        self.go, self.dies = threading.Event(), threading.Event()
        self.go.set()
        self.asked = 0
        super().__init__(("127.0.0.1", 0), _Named)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Named(Answering):
    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        assert isinstance(self.server, Replica)
        self.server.go.wait(10)
        self.say(self.server.name)

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        assert isinstance(self.server, Replica)
        self.rfile.read(int(self.headers["content-length"]))
        self.server.asked += 1
        self.server.go.wait(10)
        if self.server.dies.is_set():
            self.close_connection = True
            return
        self.say(self.server.name)


@pytest.fixture
def replicas(request: pytest.FixtureRequest) -> Iterator[list[Replica]]:
    found = [Replica(name) for name in getattr(request, "param", "ab")]
    yield found
    for replica in found:
        replica.shutdown()
        replica.server_close()


@pytest.fixture
def door(tmp_path: Path, replicas: list[Replica]) -> Iterator[str]:
    """HAProxy as Ray renders it for the replicas, the later by name first."""
    assert BINARY is not None
    port, config, home = free_port(), tmp_path / "haproxy.cfg", Home(tmp_path / "home")
    servers = "".join(
        f"    server SERVE_REPLICA_{each.name} 127.0.0.1:{each.server_port}\n"
        for each in reversed(replicas)
    )
    config.write_text(
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 60s\n"
        "    timeout server 60s\n    balance leastconn\n    option redispatch 1\n"
        "    option abortonclose\n"
        "    retry-on conn-failure empty-response\n"
        f"frontend http_frontend\n    bind *:{port}\n    default_backend http-adbid\n"
        "backend http-adbid\n    http-reuse always\n    option httpchk GET /-/healthz\n"
        "    default-server fastinter 250ms downinter 250ms fall 2 rise 2 inter 5s check\n"
        f"{servers}"
    )
    home.create()
    script = haproxy.write_wrapper(
        home, BINARY, "127.0.0.1", port, one_host=True, first_holds=HOLDS
    )
    with running([str(script), "-db", "-f", str(config)], port):
        yield f"http://127.0.0.1:{port}"
    shutil.rmtree(home.sockets, ignore_errors=True)


def ask(door: str, path: str = BUNDLE, timeout_s: float = 20.0) -> str:
    return httpx.post(door + path, content=b"{}", timeout=timeout_s).text


def connected(door: str) -> http.client.HTTPConnection:
    client = http.client.HTTPConnection(door.removeprefix("http://"), timeout=20)
    client.connect()
    return client


def wait_until_it_stands_still(replica: Replica) -> None:
    """Until it has held a bundle for so long that HAProxy must see it."""
    while not replica.asked:
        time.sleep(0.01)
    time.sleep(3 * haproxy.STILL_MS / 1000)


def test_bundles_one_after_the_other_all_go_to_the_first(door: str) -> None:
    assert [ask(door) for _ in range(10)] == ["a"] * 10


def test_what_is_no_bundle_goes_to_the_last(door: str) -> None:
    assert [ask(door, EVENTS) for _ in range(10)] == ["b"] * 10


@pytest.mark.parametrize("path", [BUNDLE, EVENTS])
def test_what_one_can_not_hold_goes_to_the_other(
    door: str, replicas: list[Replica], path: str
) -> None:
    for replica in replicas:
        replica.go.clear()
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(ask, door, path) for _ in range(10)]
        while sum(replica.asked for replica in replicas) < len(asked):
            time.sleep(0.01)
        for replica in replicas:
            replica.go.set()
        found = Counter(each.result() for each in asked)
    assert found["a"] >= HOLDS
    assert found["b"] >= HOLDS


@pytest.mark.parametrize(("gone", "path"), [("a", BUNDLE), ("b", EVENTS)])
def test_where_one_is_gone_the_other_answers(
    door: str, replicas: list[Replica], gone: str, path: str
) -> None:
    for replica in replicas:
        if replica.name == gone:
            replica.shutdown()
            replica.server_close()
    assert {ask(door, path) for _ in range(5)} == {"a", "b"} - {gone}


def test_a_first_that_stands_still_gets_no_more_until_it_answers(
    door: str, replicas: list[Replica]
) -> None:
    first = replicas[0]
    first.go.clear()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(ask, door)
        wait_until_it_stands_still(first)
        assert [ask(door) for _ in range(5)] == ["b"] * 5
        first.go.set()
        assert held.result() == "a"
    until = time.monotonic() + 15  # at once, or when it is forgotten that it stood still
    while ask(door) != "a":
        assert time.monotonic() < until


def test_a_first_that_stands_still_gets_no_more_when_it_is_given_up(
    door: str, replicas: list[Replica]
) -> None:
    first = replicas[0]
    first.go.clear()
    with ThreadPoolExecutor(1) as pool:
        given_up = pool.submit(ask, door, BUNDLE, 1.0)
        wait_until_it_stands_still(first)
        assert ask(door) == "b"
        with pytest.raises(httpx.TimeoutException):
            given_up.result()
    assert [ask(door) for _ in range(5)] == ["b"] * 5


def test_two_bundles_of_a_page_after_a_pause_are_no_sign_of_standing_still(
    door: str, replicas: list[Replica]
) -> None:
    ask(door)
    for replica in replicas:
        replica.go.clear()
    both = [connected(door) for _ in range(2)]
    time.sleep(3 * haproxy.STILL_MS / 1000)
    for client in both:
        client.request("POST", BUNDLE, b"{}")
    while sum(replica.asked for replica in replicas) < 3:
        time.sleep(0.001)
    for replica in replicas:
        replica.go.set()
    assert [client.getresponse().read() for client in both] == [b"a", b"a"]
    time.sleep(3 * haproxy.STILL_MS / 1000)
    assert ask(door) == "a"


def test_a_bundle_whose_ingress_dies_goes_to_the_other_however_it_was_sent(
    door: str, replicas: list[Replica]
) -> None:
    replicas[0].dies.set()
    client = connected(door)
    client.putrequest("POST", BUNDLE)
    client.putheader("content-length", "2")
    client.endheaders()
    time.sleep(0.1)
    client.send(b"{}")
    assert client.getresponse().read() == b"b"


@pytest.mark.parametrize(("still", "path"), [(0, BUNDLE), (1, EVENTS)])
def test_one_that_stands_still_is_down_after_seconds(
    door: str, replicas: list[Replica], still: int, path: str
) -> None:
    replicas[still].go.clear()
    started = time.monotonic()
    while time.monotonic() < started + 2 * haproxy.CHECK_S + haproxy.CHECK_EVERY_S + 3:
        with suppress(httpx.TimeoutException):  # one at a time finds out
            assert ask(door, path, 0.3) == replicas[1 - still].name
            return
    raise AssertionError("an ingress that stands still is asked for ever")


@pytest.mark.parametrize("replicas", ["a"], indirect=True)
def test_one_alone_gets_everything(door: str) -> None:
    assert {ask(door, path) for path in (BUNDLE, EVENTS)} == {"a"}


@pytest.mark.parametrize("replicas", ["abc"], indirect=True)
def test_one_in_between_stands_by(door: str) -> None:
    assert {ask(door, path) for path in (BUNDLE, EVENTS)} == {"a", "c"}
