"""What a machine, its shell and its other users have that a start must live with."""

import fcntl
import os
import resource
import subprocess
import threading
from dataclasses import dataclass, field
from pathlib import Path
from socketserver import StreamRequestHandler, TCPServer

import psutil
import pytest

from cli import scheduler
from cli.embedded import lifecycle, postgres_place, probe, processes, ray_cluster
from cli.embedded.board import Board
from cli.embedded.errors import EmbeddedError, NotReady
from cli.embedded.haproxy import haproxy_binary
from cli.embedded.home import Home
from cli.embedded.keeper import Keeper
from cli.embedded.ports import PortBlock
from cli.embedded.postgres_place import Place, furnish
from cli.embedded.ray_cluster import RayCluster, most_connections
from cli.embedded.state import PartState, Pid, SystemState, write_state
from cli.embedded.supervisor import kept_from_cleaning
from cli.surroundings import without_foreign
from stores.settings import sockets_of


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path / "home")
    home.create()
    return home


@pytest.mark.parametrize(
    ("said", "heard"),
    [
        ({}, "127.0.0.1,localhost,::1"),
        ({"no_proxy": ".corp, localhost"}, ".corp,localhost,127.0.0.1,::1"),
        ({"NO_PROXY": ".corp"}, ".corp,127.0.0.1,localhost,::1"),
    ],
)
def test_loopback_needs_no_proxy_and_what_else_needs_none_stays(
    said: dict[str, str], heard: str
) -> None:
    env = dict(said)
    without_foreign(env)
    assert env["no_proxy"] == env["NO_PROXY"] == heard


def test_what_a_shell_says_to_libpq_is_for_servers_that_are_given() -> None:
    said = {"PGSSLMODE": "require", "PGHOSTADDR": "10.0.0.1", "PAGER": "less"}
    ours, given = dict(said), said | {"DATABASE_URL": "postgresql://db/adbid"}
    for env in (ours, given):
        without_foreign(env)
    assert "PGSSLMODE" not in ours
    assert "PGHOSTADDR" not in ours
    assert ours["PAGER"] == "less"
    assert given["PGSSLMODE"] == "require"


def test_a_folder_of_another_user_is_refused_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = Home(tmp_path / "home")
    (tmp_path / "elsewhere").mkdir()
    home.sockets.symlink_to(tmp_path / "elsewhere")
    try:
        with pytest.raises(EmbeddedError, match=str(home.sockets)):
            home.create()
    finally:
        home.sockets.unlink()
    monkeypatch.setattr(os, "geteuid", lambda: 4_321)
    with pytest.raises(EmbeddedError, match="4321"):
        home.create()


def test_users_of_one_path_have_folders_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for user in (0, 1_000, 1_001):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        found.add(sockets_of(Path("/srv/adbid/var")))
    assert len(found) == 3


@pytest.mark.skipif(haproxy_binary() is None, reason="there is no HAProxy here")
@pytest.mark.parametrize("user", [0, 1_000, 4_294_967_294])
def test_every_user_s_haproxy_takes_the_path_of_its_socket(
    user: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ray puts it below the folder that we name, in one of the node's, whose id has 56 digits."""
    monkeypatch.setattr(os, "geteuid", lambda: user)
    folder = sockets_of(Path("/srv/adbid/var")) / "haproxy"
    config = tmp_path / "haproxy.cfg"
    config.write_text(f"global\n  stats socket {folder}/{'7' * 56}/admin.sock mode 600\n")
    done = subprocess.run(
        [str(haproxy_binary()), "-c", "-f", config], capture_output=True, text=True, check=False
    )
    assert "too long" not in done.stderr


@pytest.mark.parametrize(
    ("files", "connections"), [(4_096, 1_998), (1_048_576, 4_096), (-1, 4_096)]
)
def test_haproxy_takes_as_many_connections_as_it_may_have_files_for(
    monkeypatch: pytest.MonkeyPatch, files: int, connections: int
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1_024, files))
    assert most_connections() == connections


@pytest.mark.parametrize("folder", ["plain", "My Projects", "it's (1) & co"])
def test_rays_workers_start_by_a_path_that_is_one_word(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    prefix = tmp_path / folder
    python = prefix / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    monkeypatch.setattr(ray_cluster.sys, "prefix", str(prefix))
    monkeypatch.setattr(ray_cluster.sys, "executable", str(python))
    word = RayCluster(home, PortBlock(20_000), "127.0.0.1", {})._python()
    assert set(word).isdisjoint(" '()&")
    assert Path(word).resolve() == python


def test_a_cleaner_of_tmp_finds_the_folder_locked(home: Home) -> None:
    def free() -> bool:
        handle = os.open(home.sockets, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        else:
            return True
        finally:
            os.close(handle)

    with kept_from_cleaning(home.sockets):
        assert not free()
    assert free()


@pytest.mark.parametrize("mask", [0o022, 0o077])
def test_postgresqls_own_user_reaches_what_root_lays_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mask: int
) -> None:
    """Whatever the umask was, of the installation and now."""
    site, elsewhere = tmp_path / "site", tmp_path / "elsewhere"
    bundled = site / "pgserver" / "pginstall18"
    monkeypatch.setattr(postgres_place, "ELSEWHERE", elsewhere)
    monkeypatch.setattr(postgres_place, "_bundled", lambda: bundled)
    before = os.umask(mask)
    try:
        (bundled / "bin").mkdir(parents=True)
        (bundled / "bin" / "postgres").touch(0o700)
        (site / "pgserver.libs").mkdir()
        (site / "pgserver.libs" / "libpq.so").touch(0o600)
        folder = elsewhere / "mine"
        place = Place(folder / "pgserver" / "pginstall18" / "bin", folder / "data", None)
        furnish(place, Home(tmp_path / "home"))
    finally:
        os.umask(before)
    for path in (elsewhere, *elsewhere.rglob("*")):
        if path.name != "home":
            needed = 0o005 if path.is_dir() or path.name == "postgres" else 0o004
            assert path.stat().st_mode & needed == needed, path
    assert (folder / "pgserver.libs" / "libpq.so").exists()


@pytest.mark.parametrize("left", [None, "", "soon"])
def test_when_a_home_was_made_is_written_anew_where_it_cannot_be_read(
    tmp_path: Path, left: str | None
) -> None:
    if left is not None:
        (tmp_path / "installed_at").write_text(left)
    made = scheduler._installed_at(tmp_path)
    assert scheduler._installed_at(tmp_path) == made


def test_an_answer_that_is_cut_off_is_no_answer() -> None:
    class Half(StreamRequestHandler):
        def handle(self) -> None:
            self.request.recv(1_000)
            self.wfile.write(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf")

    with TCPServer(("127.0.0.1", 0), Half) as server:
        threading.Thread(target=server.handle_request, daemon=True).start()
        with pytest.raises(NotReady):
            probe.expect_ok(f"http://127.0.0.1:{server.server_address[1]}/")


@dataclass
class Flaky:
    """A part whose first starts fail in a way that nobody thought of."""

    starts: int = 0
    name: str = "flaky"
    port: int | None = None
    needs: tuple[str, ...] = ()
    log: Path = Path("/dev/null")
    ready_within_s: float = 5.0
    once: bool = False
    kill_when_silent: bool = True
    up: threading.Event = field(default_factory=threading.Event)

    def start(self) -> None:
        self.starts += 1
        if self.starts < 3:
            raise ZeroDivisionError

    def check(self, process: object) -> None:
        self.up.set()

    def stop(self, process: object) -> None:
        pass


def a_state(**changes: object) -> SystemState:
    me = Pid.of(os.getpid())
    assert me is not None
    fields = {"phase": "starting", "base_port": 20_000, "host": "127.0.0.1", "supervisor": me}
    return SystemState(**fields | changes)  # type: ignore[arg-type]


def test_a_part_is_kept_up_whatever_goes_wrong_and_with_a_full_disk(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = Board(home, a_state(parts={"flaky": PartState()}), lambda *_: None)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("cli.embedded.board.write_state", full)
    part, stopping = Flaky(), threading.Event()
    keeper = Keeper(part, [], board, stopping)  # type: ignore[arg-type]
    keeper.start()
    assert part.up.wait(20)
    assert part.starts == 3
    stopping.set()
    keeper.join(5)
    assert not keeper.is_alive()


def test_down_in_a_copied_home_ends_no_process_of_the_original(home: Home) -> None:
    original = processes.spawn(
        ["sleep", "60"], env=dict(os.environ), log=home.log("other"), cwd=home.run
    )
    pid = Pid.of(original.pid)
    assert pid is not None
    write_state(home, a_state(phase="up", supervisor=pid))
    try:
        assert lifecycle.stop(home) is False
        assert psutil.Process(original.pid).is_running()
        assert original.poll() is None
    finally:
        original.kill()
        original.wait(5)


def test_a_clock_that_is_set_makes_no_process_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    me = Pid.of(os.getpid())
    assert me is not None
    before = psutil.Process(os.getpid()).create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _: before + 3_600)
    assert me.alive()
    assert not Pid(me.pid, me.created - 60).alive()
