"""Runs one system: brings the parts up, keeps them up, takes them down in order."""

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import psutil

from cli.embedded import ports, processes
from cli.embedded.board import Board
from cli.embedded.errors import EmbeddedError, OtherSystem, PartFailed, TooSlow
from cli.embedded.home import Home
from cli.embedded.keeper import Keeper
from cli.embedded.mlflow_server import MlflowServer, ensure_database
from cli.embedded.plan import Plan
from cli.embedded.postgres import Postgres
from cli.embedded.postgres_place import is_installed, place_of
from cli.embedded.state import PartState, Pid, SystemState, clear_env, write_env

_ATTEMPTS = 2  # before the first start is called a failure
_SWEEP_GRACE_S = 8.0
# What a supervisor in the background is asked to do.
SUPERVISE = ["-m", "cli.main", "up"]


@contextmanager
def only_one(home: Home, *, patience_s: float = 0.0) -> Iterator[None]:
    """Hold this home's lock. Raises `OtherSystem` where another holds it for longer than that: a
    supervisor, or for a moment a `down` that clears up, or whoever looks."""
    deadline = time.monotonic() + patience_s
    with home.lock_file.open("w") as lock:
        while not _locked(lock):
            if time.monotonic() > deadline:
                raise OtherSystem("another `adbid up` runs this system")
            time.sleep(0.05)
        yield


def _locked(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def kept_from_cleaning(folder: Path) -> Iterator[None]:
    """While the block runs, systemd-tmpfiles, which clears /tmp of what is ten days old, leaves a
    folder that is locked alone (tmpfiles.d(5)): HAProxy's error pages are read once, at a start."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_SH)
        yield
    finally:
        os.close(handle)


def is_locked(home: Home) -> bool:
    """Whether a supervisor runs, or is about to."""
    try:
        with only_one(home):
            return False
    except OtherSystem:
        return True


class Supervisor:
    """One system from start to end. Call `run` with the home's lock held."""

    def __init__(
        self, plan: Plan, *, on_change: Callable[[str, PartState], None] = lambda *_: None
    ) -> None:
        self.plan = plan
        self.stopping = threading.Event()
        me = Pid.of(os.getpid())
        if me is None:
            raise EmbeddedError("this process cannot see itself")
        parts = {name: PartState("external", detail=by) for name, by in plan.external.items()}
        parts |= {part.name: PartState(port=part.port) for part in plan.parts}
        state = SystemState("starting", plan.block.base, plan.host, me, parts, plan.urls)
        self.board = Board(plan.home, state, on_change)
        self.keepers = _keepers(plan, self.board, self.stopping)

    def run(self, on_up: Callable[[SystemState], None] = lambda _: None) -> None:
        """Bring the system up, keep it up until `stopping` is set, and take it down.

        Raises `PortTaken` before anything starts, `PartFailed` when a part does not come up.
        """
        try:
            self._bring_up()
            if not self.stopping.is_set():
                on_up(self.board.state)
            self.stopping.wait()
        except EmbeddedError as error:
            self.board.system("failed", error=str(error))
            raise
        finally:
            self._take_down()

    def _bring_up(self) -> None:
        started = time.monotonic()
        clear_away(self.plan.home)
        ports.check_free(self.plan.ports, self.plan.block)
        self._create_given_databases()
        for keeper in self.keepers:
            keeper.start()
        while not all(keeper.ready.is_set() for keeper in self.keepers):
            if self.stopping.wait(0.1):
                return
            self._check_first_start()
        write_env(self.plan.home, self.plan.env)
        self.board.system("up", up_after_s=round(time.monotonic() - started, 1))

    def _create_given_databases(self) -> None:
        """MLflow's database on a server that was given, where we may create one."""
        if "postgres" not in self.plan.external:
            return
        for part in self.plan.parts:
            if isinstance(part, MlflowServer):
                ensure_database(part.database_url)

    def _check_first_start(self) -> None:
        for keeper in self.keepers:
            error = keeper.error
            hopeless = keeper.failures >= _ATTEMPTS or isinstance(error, TooSlow)
            if hopeless and not keeper.ready.is_set():
                raise (
                    error
                    if isinstance(error, EmbeddedError)
                    else PartFailed(keeper.part.name, str(error), keeper.part.log)
                )

    def _take_down(self) -> None:
        """Stop every part, those that others need last; then end whatever is left of this home."""
        failed = self.board.state.phase == "failed"
        self.stopping.set()
        if not failed:
            self.board.system("stopping")
        clear_env(self.plan.home)
        for keeper in self.keepers:
            if keeper.is_alive():
                keeper.join()
        for stage in _stages(self.keepers):
            _all_at_once([keeper.take_down for keeper in stage])
        clear_away(self.plan.home)
        self.board.system("failed" if failed else "stopped")


def _keepers(plan: Plan, board: Board, stopping: threading.Event) -> list[Keeper]:
    keepers: dict[str, Keeper] = {}
    for part in plan.parts:
        needs = [keepers[name] for name in part.needs if name in keepers]
        keepers[part.name] = Keeper(part, needs, board, stopping)
    return list(keepers.values())


def _stages(keepers: list[Keeper]) -> list[list[Keeper]]:
    """Groups to stop one after another: nothing is stopped before what needs it."""
    stages, left = [], list(keepers)
    while left:
        needed = {id(need) for keeper in left for need in keeper.needs}
        stage = [keeper for keeper in left if id(keeper) not in needed]
        left = [keeper for keeper in left if id(keeper) in needed]
        stages.append(stage)
    return stages


def _all_at_once(actions: list[Callable[[], None]]) -> None:
    threads = [threading.Thread(target=action) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def clear_away(home: Home) -> bool:
    """End every process of this home that an earlier supervisor left behind, PostgreSQL last.

    Answers whether there was any. Raises `EmbeddedError` where some survive that.
    """
    postgres = Postgres(home, 0, place_of(home)) if is_installed() else None
    postmaster = postgres.running() if postgres else None
    spared = {p.pid for p in processes.family(postmaster.pid)} if postmaster else set()
    found = _left_behind(home)
    left = processes.end([p for p in found if p.pid not in spared], grace_s=_SWEEP_GRACE_S)
    if postgres is not None:
        postgres.stop(None)
    left += processes.end(_left_behind(home), grace_s=0)
    if left:
        pids = ", ".join(str(process.pid) for process in left)
        raise EmbeddedError(f"cannot end the processes that a crash left behind: {pids}")
    return bool(found)


def _left_behind(home: Home) -> list[psutil.Process]:
    """What runs for this home, but a supervisor that came after us: it waits for the lock."""
    mine = psutil.Process().create_time()
    return [p for p in processes.marked(home) if not _is_supervisor_since(p, mine)]


def _is_supervisor_since(process: psutil.Process, moment: float) -> bool:
    try:
        return process.cmdline()[-3:] == SUPERVISE and process.create_time() > moment
    except psutil.NoSuchProcess:
        return False
