"""The real HAProxy behind our script: whose address counts, who may be slow, and the second door
beside it."""

import asyncio
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest

from cli.embedded import haproxy
from cli.embedded.errors import NotReady
from cli.embedded.home import Home
from cli.embedded.second_door import SecondDoor, config_of
from deployments.door_refusals import DoorRefusals
from stores.settings import PROJECT_ROOT
from tests.answering import Answering
from tests.servers import free_port
from tests.slow_head import trickle_head

BINARY = haproxy.haproxy_binary()
pytestmark = pytest.mark.skipif(BINARY is None, reason="there is no HAProxy here")


class _Echo(Answering):
    """Answers with the addresses that the request says it comes from, and, to a bundle, with when
    it came."""

    go = threading.Event()

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        self._answer("x-forwarded-for")

    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        self.rfile.read(int(self.headers["content-length"]))
        self.go.wait(10)
        self._answer("x-arrived-us")

    def _answer(self, header: str) -> None:
        self.say(", ".join(self.headers.get_all(header, [])))


class _Backend(ThreadingHTTPServer):
    request_queue_size = 512  # as a replica's: its kernel takes every connection at once


@pytest.fixture
def echo() -> Iterator[int]:
    _Echo.go.set()
    backend = _Backend(("127.0.0.1", 0), _Echo)
    threading.Thread(target=backend.serve_forever, daemon=True).start()
    yield backend.server_port
    backend.shutdown()


def rendered(
    config: Path, echo: int | None, port: int | None = None, metrics: int | None = None
) -> int:
    """HAProxy in front of the echo, with the lines that Ray renders; the port it is to have.

    Without an echo, as Ray renders it while it knows no replica.
    """
    found = port or free_port()
    server = "" if echo is None else f"    server one 127.0.0.1:{echo}\n"
    config.write_text(
        f"global\n    stats socket {config.parent}/admin.sock mode 666 level admin\n"
        f"    server-state-file {config.parent}/state\n"
        "defaults\n    mode http\n    timeout connect 5s\n    timeout client 3600s\n"
        "    timeout server 60s\n    timeout http-keep-alive 75s\n"
        f"frontend prometheus\n    bind :{metrics or free_port()}\n    mode http\n    no log\n"
        f"frontend http_frontend\n    bind *:{found}\n    default_backend http-echo\n"
        f"backend http-echo\n{server}"
        f"listen stats\n  bind *:{free_port()}\n  stats enable\n"
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
    monkeypatch.setattr(haproxy, "WITHIN_S", 1)
    config = tmp_path / "haproxy.cfg"
    found = rendered(config, echo)
    home = Home(tmp_path / "home")
    home.create()
    script = haproxy.write_wrapper(home, BINARY, "127.0.0.1", found)
    with running([str(script), "-db", "-f", str(config)], found):
        yield found


def _wait_for(port: int) -> None:
    def listens() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", port)) == 0

    _until(listens)


def _until(happened: Callable[[], bool]) -> None:
    for _ in range(100):
        if happened():
            return
        time.sleep(0.05)
    raise AssertionError("it did not come to that")


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
    assert f"timeout http-request {haproxy.WITHIN_S}s" in config.read_text()
    assert config.read_text().count("timeout connect") == 1
    assert f"timeout connect {haproxy.CONNECT_MS}ms" in config.read_text()
    assert f"timeout check {haproxy.CHECK_S}s" in config.read_text()
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


class Doors:
    """A home whose script serves `config` and tells the second door."""

    def __init__(self, folder: Path, echo: int) -> None:
        assert BINARY is not None
        self.home = Home(folder / "home")
        self.home.create()
        self.second = SecondDoor(self.home, BINARY, free_port())
        self.config = folder / "haproxy.cfg"
        self.echo = echo
        self.metrics = free_port()
        self.port = rendered(self.config, echo, metrics=self.metrics)
        script = haproxy.write_wrapper(
            self.home, BINARY, "127.0.0.1", self.port, one_host=True, second=self.second
        )
        self.command = [str(script), "-db", "-f", str(self.config), "-dR"]

    def ask(self) -> str:
        return httpx.get(f"http://127.0.0.1:{self.port}/x", headers=SPOOFED).text


@pytest.fixture
def doors(tmp_path: Path, echo: int) -> Iterator[Doors]:
    found = Doors(tmp_path, echo)
    yield found
    # its socket's folder is no pytest's
    shutil.rmtree(found.home.sockets, ignore_errors=True)


@contextmanager
def both(doors: Doors) -> Iterator["subprocess.Popen[bytes]"]:
    """Ray's and the second; yields Ray's."""
    first = subprocess.Popen(doors.command)
    process = None
    try:
        _wait_for(doors.port)
        process = doors.second.start()
        _wait_for(doors.second.port)
        doors.second.check(process)
        yield first
    finally:
        first.kill()
        first.wait()
        doors.second.stop(process)


@pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux alone")
def test_while_one_door_is_dead_the_other_answers(doors: Doors) -> None:
    with both(doors) as first:
        first.kill()
        first.wait()
        assert [doors.ask() for _ in range(20)] == ["127.0.0.1"] * 20


@pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux alone")
def test_the_second_door_follows_a_new_configuration(doors: Doors) -> None:
    """A replica's new address reaches it; it answers alone, as nothing else is up any more."""
    alive, doors.echo = doors.echo, free_port()
    rendered(doors.config, doors.echo, doors.port)
    with both(doors) as first:
        assert doors.ask() != "127.0.0.1"
        first.kill()
        first.wait()
        rendered(doors.config, alive, doors.port)
        newcomer = subprocess.Popen(doors.command)
        try:
            _until(lambda: f":{alive}" in config_of(doors.home).read_text())
        finally:
            newcomer.kill()
            newcomer.wait()
        _until(lambda: doors.ask() == "127.0.0.1")
        assert [doors.ask() for _ in range(20)] == ["127.0.0.1"] * 20


@pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux alone")
def test_a_door_that_knows_no_replica_yet_answers_nobody(doors: Doors) -> None:
    """Ray starts HAProxy anew without replicas at first: the second keeps those it knows."""
    with both(doors) as first:
        first.kill()
        first.wait()
        rendered(doors.config, None, doors.port)
        newcomer = subprocess.Popen(doors.command)
        try:
            time.sleep(1)
            assert newcomer.poll() is None
            assert [doors.ask() for _ in range(20)] == ["127.0.0.1"] * 20
        finally:
            newcomer.kill()
            newcomer.wait()
    assert "server one" in config_of(doors.home).read_text()


def test_the_second_door_waits_for_the_first_configuration(doors: Doors) -> None:
    with pytest.raises(NotReady):
        doors.second.start()


CLAIMED = {"x-arrived-us": "1"}


def test_an_ingress_learns_when_a_bundle_came(doors: Doors) -> None:
    with running(doors.command, doors.port):
        url = f"http://127.0.0.1:{doors.port}/api/score"
        before = time.time()
        (came,) = httpx.post(url, content=b"{}", headers=CLAIMED).text.split(", ")
    assert before - 0.01 <= int(came) / 1e6 <= time.time()


def test_on_another_machine_no_clock_is_believed(port: int) -> None:
    url = f"http://127.0.0.1:{port}/api/score"
    assert httpx.post(url, content=b"{}", headers=CLAIMED).text == ""


@dataclass(frozen=True)
class Said:
    """An answer to a bundle."""

    status: int
    headers: Mapping[str, str]
    body: bytes


def ask_for_a_decision(port: int) -> Said:
    """As fast as a thread can: the door counts a second's bundles."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("POST", "/api/score", b"{}")
    answer = connection.getresponse()
    said = Said(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
    connection.close()
    return said


@contextmanager
def asking(port: int, bundles: int) -> Iterator["list[Future[Said]]"]:
    """So many bundles at once, which the replica does not answer before `_Echo.go`."""
    _Echo.go.clear()
    with ThreadPoolExecutor(bundles) as clients:
        yield [clients.submit(ask_for_a_decision, port) for _ in range(bundles)]


MORE = haproxy.AT_LEAST + 35


def test_more_bundles_than_can_be_answered_are_refused_at_the_door(doors: Doors) -> None:
    """Nothing else is: whoever looks at the dashboard meanwhile is served."""
    with running(doors.command, doors.port), asking(doors.port, MORE) as asked:
        refused = next(as_completed(asked)).result()
        assert doors.ask() == "127.0.0.1"
        _until(lambda: sum(each.done() for each in asked) == 35)
        _Echo.go.set()
        statuses = Counter(each.result().status for each in asked)
    assert statuses == {200: haproxy.AT_LEAST, 503: 35}
    assert refused.headers["retry-after"] == "1"
    assert refused.headers["content-type"] == "application/problem+json"
    assert json.loads(refused.body)["title"] == "Overloaded"


def test_a_machine_that_stood_still_refuses_nobody(doors: Doors) -> None:
    """As many are under way, but they came at a pace that it can keep up with."""
    _Echo.go.clear()
    more = haproxy.AT_LEAST + 3
    with running(doors.command, doors.port), ThreadPoolExecutor(more) as clients:
        asked = []
        for _ in range(more):
            asked.append(clients.submit(ask_for_a_decision, doors.port))
            time.sleep(1.5 / haproxy.AT_EASE_PER_S)
        _Echo.go.set()
        assert {each.result().status for each in asked} == {200}


@pytest.mark.skipif(sys.platform != "linux", reason="SO_REUSEPORT spreads on Linux alone")
def test_each_door_tells_how_many_it_refused(doors: Doors) -> None:
    told = (doors.metrics, doors.second.port)
    refusals = DoorRefusals([f"http://127.0.0.1:{port}{haproxy.REFUSED_PATH}" for port in told])
    with both(doors) as first:
        assert asyncio.run(refusals.gained()) == 0
        with asking(doors.port, 2 * MORE) as asked:
            _until(lambda: sum(each.done() for each in asked) >= 2 * 35)
            _Echo.go.set()
            statuses = Counter(each.result().status for each in asked)
        assert asyncio.run(refusals.gained()) == statuses[503] >= 2 * 35
        first.kill()
        first.wait()
        assert asyncio.run(refusals.gained()) == 0
