"""What the processes of a system hold, by role: memory and descriptors."""

import contextlib
import re
from dataclasses import dataclass
from pathlib import Path

import psutil

from cli.embedded import processes
from cli.embedded.home import Home

_REPLICA = re.compile(r"ServeReplica:\w+:(\w+)")
_MODULE = re.compile(r" -m ([\w.]+)")


@dataclass(slots=True)
class Held:
    """Bytes and open files of the processes of one role.

    `own` is the anonymous memory that is resident, where a leak shows: neither shared memory
    (PostgreSQL's buffers and Ray's object store fill up to what they are set to) nor who else maps
    a page. The kernel counts it as it goes. To look at the PSS, it walks through all pages of a
    process, which waits meanwhile: 3 GB every 10 s showed in the p99.
    """

    own: int = 0
    descriptors: int = 0


def footprint(home: Home) -> dict[str, Held]:
    """By role: a deployment, or what the process is."""
    found: dict[str, Held] = {}
    for process in processes.marked(home):
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile
            _add(found.setdefault(role_of(process.name(), process.cmdline()), Held()), process)
    return found


def pss_bytes(home: Home) -> int:
    """What the whole system takes, pages that are shared counted once."""
    return sum(processes.pss_bytes(process) for process in processes.marked(home))


def _add(held: Held, process: psutil.Process) -> None:
    held.own += _anonymous_bytes(process.pid)
    held.descriptors += process.num_fds()


def _anonymous_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon"):
            return 1024 * int(line.split()[1])
    return 0  # a process that ended and was not waited for yet


def role_of(name: str, command: list[str]) -> str:
    """`Ingress` of a replica, `cli.scheduler` of a module, else the program's name."""
    words = " ".join(command)
    if replica := _REPLICA.search(words):
        return replica[1]
    if words.startswith("ray::"):
        return words.split()[0].split("(")[0]
    module = _MODULE.search(words)
    return module[1] if module else name
