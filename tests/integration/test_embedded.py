"""The supervisor against crashes, taken ports and neighbours, with real servers."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import psutil
import psycopg
import pytest

from cli.embedded import lifecycle, processes
from cli.embedded.errors import NotReady
from cli.embedded.home import Home
from cli.embedded.plan import plan
from cli.embedded.postgres import Postgres
from cli.embedded.postgres_place import ELSEWHERE, abandoned, has_data, place_of
from cli.embedded.serve_app import ServeApp
from cli.embedded.state import SystemState, read_state
from deployments.access import scoring_is_open
from stores.settings import PROJECT_ROOT, Settings, load_settings

GIVEN = {
    "DATABASE_URL": "postgresql://someone:secret@db.example/adbid",
    "REDIS_URL": "redis://cache.example:6379/0",
    "MLFLOW_TRACKING_URI": "http://mlflow.example:5000",
    "RAY_ADDRESS": "http://ray.example:8265",
}
PATIENCE_S = 60.0


class Stores:
    """A system of PostgreSQL and Redis in a home and a block of ports of its own."""

    def __init__(self, root: Path, port: int) -> None:
        self.home, self.port = Home(root), port
        self.command: subprocess.Popen[bytes] | None = None

    @property
    def environment(self) -> dict[str, str]:
        own = {"ADBID_HOME": str(self.home.root), "ADBID_PORT": str(self.port)}
        return {k: v for k, v in os.environ.items() if k not in GIVEN} | own

    @property
    def state(self) -> SystemState:
        state = read_state(self.home)
        assert state is not None
        return state

    def up(self) -> None:
        self.command = subprocess.Popen(
            [sys.executable, "-m", "tests.embedded_stores"], cwd=PROJECT_ROOT, env=self.environment
        )
        eventually(self.is_up)

    def is_up(self) -> bool:
        assert self.command is not None
        assert self.command.poll() is None, "the supervisor ended"
        state = read_state(self.home)
        own = state is not None and state.supervisor.pid == self.command.pid
        return bool(own and state and state.phase == "up" and self.all_run())

    def all_run(self) -> bool:
        return all(part.phase in ("running", "done") for part in self.state.parts.values())

    def runs_again(self, part: str, killed: int) -> bool:
        return self.all_run() and self.pid_of(part) != killed

    def adbid(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            cwd=PROJECT_ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=PATIENCE_S,
        )

    def pid_of(self, part: str) -> int:
        pid = self.state.parts[part].pid
        assert pid is not None
        return pid.pid

    def kill(self, part: str) -> None:
        os.kill(self.pid_of(part), signal.SIGKILL)

    def kill_command(self) -> None:
        assert self.command is not None
        self.command.kill()
        self.command.wait(5)

    def interrupt(self) -> int:
        assert self.command is not None
        self.command.send_signal(signal.SIGINT)
        return self.command.wait(PATIENCE_S)

    def connect(self) -> psycopg.Connection:
        settings = Settings(home=self.home.root, port=self.port)
        url = next(p for p in plan(settings).parts if p.name == "schema").database_url  # type: ignore[attr-defined]
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def names(self) -> list[str]:
        with self.connect() as database:
            return [row[0] for row in database.execute("SELECT name FROM kept ORDER BY name")]


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline, f"{holds} does not hold after {PATIENCE_S} s"
        time.sleep(0.05)


def free_block() -> int:
    """A base port whose stores' ports nobody has."""
    for base in range(24_000, 32_000, 200):
        if all(is_free(base + offset) for offset in (0, 13, 14)):
            return base
    raise AssertionError("no free block of ports")


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0


@pytest.fixture
def without_stores(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in GIVEN:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def stores(
    system_home: Path, request: pytest.FixtureRequest, without_stores: None
) -> Iterator[Stores]:
    stores = Stores(system_home / request.node.name / "first", free_block())
    yield stores
    lifecycle.stop(stores.home)
    assert processes.marked(stores.home) == []


@pytest.fixture
def closed_home(tmp_path: Path, without_stores: None) -> Iterator[Path]:
    """A home that only root may enter, as in a clone below /root."""
    tmp_path.chmod(0o700)
    home = tmp_path / "home"
    yield home
    lifecycle.stop(Home(home))
    for folder in ELSEWHERE.glob(f"{Home(home).id}-*"):
        shutil.rmtree(folder)


def test_killed_servers_and_a_killed_command_lose_no_data(stores: Stores) -> None:
    stores.up()
    with stores.connect() as database:
        database.execute("CREATE TABLE kept AS SELECT 'before' AS name")

    for part in ("postgres", "redis"):
        killed = stores.pid_of(part)
        stores.kill(part)
        eventually(partial(stores.runs_again, part, killed))
    assert stores.names() == ["before"]

    stores.kill_command()
    assert processes.marked(stores.home), "a killed command leaves its servers"
    stores.kill("postgres")
    stores.up()
    assert stores.names() == ["before"]
    assert stores.state.parts["postgres"].restarts == 0

    assert stores.interrupt() == 0
    assert processes.marked(stores.home) == []
    assert stores.state.phase == "stopped"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root's PostgreSQL lives elsewhere")
def test_a_new_home_where_a_deleted_one_was_starts_empty_and_loses_nothing(
    closed_home: Path,
) -> None:
    first = Stores(closed_home, free_block())
    first.up()
    with first.connect() as database:
        database.execute("CREATE TABLE kept AS SELECT 'before' AS name")
    assert first.interrupt() == 0
    first.up()
    assert first.names() == ["before"]
    assert first.interrupt() == 0
    (left,) = ELSEWHERE.glob(f"{first.home.id}-*")
    assert left not in abandoned()

    shutil.rmtree(closed_home)
    second = Stores(closed_home, free_block())
    second.up()
    with second.connect() as database:
        assert database.execute("SELECT to_regclass('kept')").fetchone() == (None,)
    assert has_data(left / "data")
    assert abandoned()[left] == str(closed_home)
    says = " ".join(second.adbid("doctor").stdout.split())
    assert f"{left}: the database of {closed_home}" in says
    assert second.interrupt() == 0


def test_a_lost_password_is_named(stores: Stores) -> None:
    stores.up()
    assert stores.interrupt() == 0
    kept = stores.home.secrets / "postgres"
    kept.unlink()
    place = place_of(stores.home)
    server = Postgres(stores.home, stores.port + 13, place)
    process = server.start()
    try:
        eventually(lambda: "put that file back" in why_not_ready(server, process))
        assert str(kept) in why_not_ready(server, process)
    finally:
        server.stop(process)


def why_not_ready(server: Postgres, process: subprocess.Popen[bytes]) -> str:
    try:
        server.check(process)
    except NotReady as error:
        return str(error)
    return ""


def test_down_clears_away_what_a_killed_command_left(stores: Stores) -> None:
    stores.up()
    stores.kill_command()
    assert stores.adbid("status").stdout.startswith("crashed, not healthy")
    assert "Stopped." in stores.adbid("down").stdout
    assert processes.marked(stores.home) == []
    assert stores.state.phase == "stopped"
    assert not lifecycle.stop(stores.home), "nothing is left to stop"


def test_two_systems_do_not_disturb_each_other_and_stay_on_loopback(stores: Stores) -> None:
    stores.up()
    second = Stores(stores.home.root.with_name("second"), stores.port + 200)
    second.up()
    first_pids = {p.pid for p in processes.marked(stores.home)}
    assert not first_pids & {p.pid for p in processes.marked(second.home)}
    second.kill_command()
    lifecycle.stop(second.home)
    assert processes.marked(second.home) == []
    assert everything_listens_on_loopback_only(stores)
    assert {part.restarts for part in stores.state.parts.values()} == {0}
    assert stores.is_up()


def everything_listens_on_loopback_only(stores: Stores) -> bool:
    listening = [
        connection.laddr.ip
        for process in processes.marked(stores.home)
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    return set(listening) == {"127.0.0.1"}


def test_a_taken_port_is_named_with_the_setting_and_nothing_starts(stores: Stores) -> None:
    with socket.create_server(("127.0.0.1", stores.port + 14)):
        done = stores.adbid("up", "--detach")
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert f"port {stores.port + 14} (Redis) is taken" in told
    assert f"by pid {os.getpid()}" in told
    assert f"ADBID_PORT={stores.port + 200}" in told
    assert processes.marked(stores.home) == []


@pytest.mark.parametrize(
    ("variable", "part"),
    [
        ("DATABASE_URL", "postgres"),
        ("REDIS_URL", "redis"),
        ("MLFLOW_TRACKING_URI", "mlflow"),
        ("RAY_ADDRESS", "ray"),
    ],
)
def test_a_given_address_replaces_the_part(
    variable: str,
    part: str,
    tmp_path: Path,
    without_stores: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADBID_HOME", str(tmp_path))
    everything = plan(load_settings(running_system=False))
    monkeypatch.setenv(variable, GIVEN[variable])
    system = plan(load_settings(running_system=False))
    started = {each.name for each in everything.parts}
    with_it = {"second-door"} if part == "ray" and sys.platform == "linux" else set()
    assert started - {each.name for each in system.parts} == {part} | with_it
    assert system.external == {part: variable}
    assert system.env[variable] == GIVEN[variable]
    assert len(system.ports) < len(everything.ports), "nobody needs its ports"


def test_a_machine_can_leave_retraining_to_another(
    tmp_path: Path, without_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADBID_HOME", str(tmp_path))
    everything = {each.name for each in plan(load_settings()).parts}
    monkeypatch.setenv("ADBID_SCHEDULER", "false")
    assert everything - {each.name for each in plan(load_settings()).parts} == {"scheduler"}


@pytest.mark.parametrize(
    ("ray", "host", "reached_at"),
    [
        ("http://127.0.0.1:8265", None, "127.0.0.1"),
        ("http://ray.example:8265", None, "ray.example"),
        ("http://127.0.0.1:8265", "0.0.0.0", "0.0.0.0"),
    ],
)
def test_a_given_cluster_that_others_reach_wants_keys(
    ray: str,
    host: str | None,
    reached_at: str,
    tmp_path: Path,
    without_stores: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ADBID_HOME", str(tmp_path))
    monkeypatch.setenv("RAY_ADDRESS", ray)
    if host is not None:
        monkeypatch.setenv("ADBID_HOST", host)
    [serve] = [each for each in plan(load_settings()).parts if isinstance(each, ServeApp)]
    assert serve.env_vars["ADBID_HOST"] == reached_at
    assert scoring_is_open(serve.env_vars["ADBID_HOST"]) is (reached_at == "127.0.0.1")


def test_without_haproxy_there_is_no_second_one(
    tmp_path: Path, without_stores: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADBID_HOME", str(tmp_path))
    monkeypatch.setenv("RAY_SERVE_ENABLE_HA_PROXY", "0")
    assert "second-door" not in {each.name for each in plan(load_settings()).parts}


def test_a_system_that_is_started_while_it_stops_comes_up(stores: Stores) -> None:
    stores.up()
    first = stores.command
    assert first is not None
    down = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "down"], cwd=PROJECT_ROOT, env=stores.environment
    )
    eventually(lambda: stores.state.phase == "stopping" or first.poll() is not None)
    lifecycle.wait_until_gone(stores.home)
    stores.up()
    assert down.wait(PATIENCE_S) == 0
    assert stores.is_up()
    assert {part.restarts for part in stores.state.parts.values()} == {0}
