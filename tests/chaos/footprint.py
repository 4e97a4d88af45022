"""What the processes of a system hold, by role: memory and descriptors."""

import contextlib
import re
from collections.abc import Iterator
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

    `pss` counts what is shared in parts. `own` is the anonymous memory that is resident, where a
    leak shows: neither shared memory (PostgreSQL's buffers and Ray's object store fill up to what
    they are set to) nor who else maps a page. The processes of Ray's dashboard are forked from
    one and copy 20 MB of it at their first full garbage collection, which the PSS takes for growth.
    """

    pss: int = 0
    own: int = 0
    descriptors: int = 0


def footprint(home: Home) -> dict[str, Held]:
    """By role: a deployment, or what the process is."""
    found: dict[str, Held] = {}
    for process in processes.marked(home):
        with contextlib.suppress(psutil.Error, OSError):  # it ended meanwhile
            _add(found.setdefault(role_of(process.name(), process.cmdline()), Held()), process)
    return found


def _add(held: Held, process: psutil.Process) -> None:
    sizes = dict(_sizes(process.pid))
    held.pss += sizes["Pss"]
    held.own += sizes["RssAnon"]
    held.descriptors += process.num_fds()


def _sizes(pid: int) -> Iterator[tuple[str, int]]:
    process = Path(f"/proc/{pid}")
    rollup = (process / "smaps_rollup").read_text().splitlines()[1:]
    status = (process / "status").read_text().splitlines()
    for line in (*rollup, *(line for line in status if line.startswith("RssAnon"))):
        name, kilobytes, *_ = line.split()
        yield name.rstrip(":"), 1024 * int(kilobytes)


def role_of(name: str, command: list[str]) -> str:
    """`Ingress` of a replica, `cli.scheduler` of a module, else the program's name."""
    words = " ".join(command)
    if replica := _REPLICA.search(words):
        return replica[1]
    if words.startswith("ray::"):
        return words.split()[0].split("(")[0]
    module = _MODULE.search(words)
    return module[1] if module else name
