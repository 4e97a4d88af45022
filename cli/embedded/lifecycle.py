"""`adbid up` and `adbid down` as functions: start here, start detached, wait, stop."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from cli.embedded import processes
from cli.embedded.errors import EmbeddedError, OtherSystem, tail_of
from cli.embedded.home import MARK, Home
from cli.embedded.plan import Plan, plan
from cli.embedded.progress import follow
from cli.embedded.state import SystemState, clear_env, read_state, write_state
from cli.embedded.supervisor import (
    SUPERVISE,
    Supervisor,
    clear_away,
    is_locked,
    kept_from_cleaning,
    only_one,
)
from stores.settings import Settings

_STOP_WITHIN_S = 90.0
_PATIENCE_S = 2.0
_SETTLE_S = 15.0


def run_here(settings: Settings, console: Console, on_up: Callable[[SystemState], None]) -> None:
    """Run the system in this process until Ctrl-C, SIGTERM or SIGHUP.

    Raises `OtherSystem` where one runs already, and `EmbeddedError` where it does not come up.
    """
    Home(settings.home).create()
    run_plan(plan(settings), console, on_up)


def run_plan(system: Plan, console: Console, on_up: Callable[[SystemState], None]) -> None:
    """Run these parts in this process, in a home that is made. Ends and raises as `run_here`."""
    with only_one(system.home, patience_s=_PATIENCE_S), kept_from_cleaning(system.home.sockets):
        supervisor = Supervisor(system)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        failure: list[BaseException] = []
        thread = threading.Thread(target=_run, args=(supervisor, on_up, failure), name="system")
        thread.start()
        follow(
            lambda: supervisor.board.state,
            lambda: not thread.is_alive() or supervisor.board.state.phase != "starting",
            console,
        )
        _wait(thread, supervisor, console)
        if failure:
            raise failure[0]


def _wait(thread: threading.Thread, supervisor: Supervisor, console: Console) -> None:
    """Wait in slices, so that this thread, the main one, can handle signals."""
    told = False
    while thread.is_alive():
        thread.join(0.2)
        if supervisor.stopping.is_set() and not told:
            told = True
            console.print("Stopping.")


def _run(
    supervisor: Supervisor, on_up: Callable[[SystemState], None], failure: list[BaseException]
) -> None:
    try:
        supervisor.run(on_up)
    except BaseException as error:
        failure.append(error)


def run_detached(settings: Settings, console: Console) -> SystemState:
    """Start the system in a process of its own and wait until it is up. Returns its state.

    Raises `EmbeddedError` with the reason where it does not come up.
    """
    home = Home(settings.home)
    home.create()
    log = home.log("supervisor")
    with log.open("wb") as output:
        child = subprocess.Popen(
            [sys.executable, *SUPERVISE],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            cwd=Path(__file__).resolve().parents[2],
            env=_env_of(settings),
        )

    def done() -> bool:
        state = read_state(home)
        mine = state is not None and state.supervisor.pid == child.pid
        return child.poll() is not None or bool(mine and state and state.phase != "starting")

    follow(lambda: _of_supervisor(home, child.pid), done, console)
    state = _of_supervisor(home, child.pid)
    if state and state.phase == "up":
        return state
    child.wait(timeout=_STOP_WITHIN_S)
    if state := _of_supervisor(home, child.pid):
        raise EmbeddedError(state.error or f"the system stopped again; see {log}")
    if is_locked(home):  # somebody else's `up` was faster: that system is ours too
        return wait_until_up(home, console)
    raise EmbeddedError(f"the system did not start:\n{tail_of(log)}")


def _env_of(settings: Settings) -> dict[str, str]:
    """With the mark: where the home was deleted under it, it is found by nothing else."""
    home = Home(settings.home)
    place = {MARK: home.id, "ADBID_HOME": str(home.root), "ADBID_HOST": settings.host}
    return {**os.environ, **place, "ADBID_PORT": str(settings.port)}


def _of_supervisor(home: Home, pid: int) -> SystemState | None:
    state = read_state(home)
    return state if state and state.supervisor.pid == pid else None


def running(home: Home) -> SystemState | None:
    """The state of the system that runs here (or starts, or stops), None where none does."""
    if not home.run.exists() or not is_locked(home):
        return None
    deadline = time.monotonic() + _SETTLE_S
    while time.monotonic() < deadline:
        state = read_state(home)
        if state and state.supervised():
            return state
        if not is_locked(home):
            return None
        time.sleep(0.1)
    raise OtherSystem(f"a supervisor holds {home.lock_file} but does not say how it is")


def wait_until_gone(home: Home) -> None:
    """Wait for a system that is being stopped. Raises `OtherSystem` where that takes too long."""
    with only_one(home, patience_s=_STOP_WITHIN_S):
        return


def wait_until_up(home: Home, console: Console) -> SystemState:
    """Wait for a system that somebody else starts. Raises `EmbeddedError` where it fails."""

    def done() -> bool:
        state = read_state(home)
        return state is None or state.phase != "starting" or not state.supervised()

    follow(lambda: read_state(home), done, console)
    state = read_state(home)
    if state is None or state.phase != "up" or not state.supervised():
        raise EmbeddedError((state and state.error) or "the system that was starting is gone")
    return state


def stop(home: Home) -> bool:
    """Stop the system and everything a crash left of it. False where there was nothing."""
    if not home.root.exists():
        return False
    home.run.mkdir(mode=0o700, exist_ok=True)
    # Nobody holds the lock of a home that was copied: what its state names is the original's.
    state = running(home)
    supervisor = state.supervisor.process() if state else None
    if supervisor is not None:
        supervisor.send_signal(signal.SIGTERM)
        if processes.still_alive([supervisor], _STOP_WITHIN_S):
            supervisor.kill()
    try:
        with only_one(home, patience_s=_PATIENCE_S):
            left = _clear_up(home)
    except OtherSystem:  # somebody has started it again: what runs now is theirs
        return supervisor is not None
    return supervisor is not None or left


def _clear_up(home: Home) -> bool:
    """End and note what a crash left; whether there was anything."""
    left = clear_away(home)
    clear_env(home)
    state = read_state(home)
    if state and state.phase not in ("stopped", "failed"):
        _note_stopped(home)
    return left


def _note_stopped(home: Home) -> None:
    """Write down for a supervisor that was killed what it would have written itself."""
    if (state := read_state(home)) and not state.supervised():
        write_state(home, state.all_stopped())
