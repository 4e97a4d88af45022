"""Starting, finding and ending the processes of one system, and of no other."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from cli.embedded.home import MARK, Home
from cli.surroundings import without_foreign

_LOG_LIMIT = 20 * 2**20
_TITLED = ("postgres", "redis-server", "valkey-server")


@dataclass(frozen=True, slots=True)
class Account:
    """The user a process runs as."""

    uid: int
    gid: int


def child_env(home: Home) -> dict[str, str]:
    """The environment of every child: ours, the mark of this home, and no proxy for loopback.

    The mark is how a child is found when everything that knew its pid is gone. SPT_NOENV keeps
    Ray's workers from overwriting their environment, and with it the mark, with a title.
    """
    env = {key: value for key, value in os.environ.items() if key != "RAY_ADDRESS"}
    bin_folder = str(Path(sys.executable).parent)
    env["PATH"] = os.pathsep.join((bin_folder, env.get("PATH", os.defpath)))
    without_foreign(env)
    return env | {MARK: home.id, "SPT_NOENV": "1", "ADBID_HOME": str(home.root)}


def spawn(
    command: Sequence[str | Path],
    *,
    env: dict[str, str],
    log: Path,
    cwd: Path,
    account: Account | None = None,
    niceness: int = 0,
) -> subprocess.Popen[bytes]:
    """Start a child in a session of its own, so that Ctrl-C reaches only the supervisor.

    With a `niceness` (0 to 19) the child and all that it starts step behind the others.
    """
    if log.exists() and log.stat().st_size > _LOG_LIMIT:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as output:
        child = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            cwd=cwd,
            start_new_session=True,
            user=account.uid if account else None,
            group=account.gid if account else None,
            extra_groups=[] if account else None,
        )
    if niceness:
        _step_back(child.pid, niceness)
    return child


def _step_back(pid: int, niceness: int) -> None:
    """Linux may share a core between sessions first, where only the session's niceness counts."""
    with suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, max(niceness, os.getpriority(os.PRIO_PROCESS, pid)))
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness))


def family(pid: int) -> list[psutil.Process]:
    """The process and all its descendants; empty where it is gone."""
    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def marked(home: Home) -> list[psutil.Process]:
    """Every live process of this home, and of no other.

    Found by its mark, or by the home's folder in its arguments. PostgreSQL and Redis write their
    titles over both, so those two are known by the folder they work in.
    """
    own = {os.getpid(), os.getppid()}
    return [
        process
        for process in psutil.process_iter()
        if process.pid not in own and _belongs(process, home)
    ]


def _belongs(process: psutil.Process, home: Home) -> bool:
    try:
        if process.status() == psutil.STATUS_ZOMBIE:
            return False
        if any(str(home.sockets) in word for word in process.cmdline()):
            return True
        if process.name() in _TITLED:
            cwd = Path(process.cwd())
            return cwd in (home.run, home.root / "postgres") or home.id in str(cwd)
        return process.environ().get(MARK) == home.id
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return False


def end(processes: Iterable[psutil.Process], *, grace_s: float) -> list[psutil.Process]:
    """Ask the processes to stop, wait, then kill. Returns those that outlived even that."""
    pending = list(processes)
    for number, wait_s in ((signal.SIGTERM, grace_s), (signal.SIGKILL, 5.0)):
        for process in pending:
            _send(process, number)
        pending = still_alive(pending, wait_s)
    return pending


def _send(process: psutil.Process, number: signal.Signals) -> None:
    try:
        process.send_signal(number)
    except psutil.NoSuchProcess:
        return


def still_alive(processes: list[psutil.Process], wait_s: float) -> list[psutil.Process]:
    """Those alive after at most `wait_s` seconds. Zombies count as gone."""
    deadline = time.monotonic() + wait_s
    while pending := [process for process in processes if _alive(process)]:
        if time.monotonic() >= deadline:
            return pending
        time.sleep(0.05)
    return []


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def pss_bytes(process: psutil.Process) -> int:
    """Memory with shared pages counted once; 0 for a process that is gone or not ours.

    Where the system has no PSS (macOS), the memory that only this process uses.
    """
    try:
        memory = process.memory_full_info()
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return 0
    return int(getattr(memory, "pss", memory.uss))


def end_child(child: subprocess.Popen[bytes] | None, *, grace_s: float) -> None:
    """End a child with everything it started, and collect its exit code."""
    if child is None:
        return
    relatives = family(child.pid)
    _send_first(relatives)
    still_alive(relatives, grace_s)
    end(relatives, grace_s=0)
    child.wait(timeout=5)


def _send_first(relatives: list[psutil.Process]) -> None:
    """SIGTERM to the head of the family only: it knows best in which order the rest ends."""
    for process in relatives[:1]:
        _send(process, signal.SIGTERM)
