"""`adbid doctor`: what on this machine, or in the running system, needs mending."""

import os
import resource
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import psutil
from sqlalchemy.exc import SQLAlchemyError

from bidding.errors import AdBidError
from cli.embedded import lifecycle, ports, processes
from cli.embedded.errors import PortTaken
from cli.embedded.home import Home
from cli.embedded.plan import plan
from cli.embedded.postgres_place import abandoned
from cli.embedded.ray_cluster import SERVE_FLAGS
from cli.embedded.state import SystemState
from stores.migrating import newer_revision, pending_revisions
from stores.settings import Settings

_GIB = 2**30
_MIN_DISK = 2 * _GIB
_MIN_MEMORY = 4 * _GIB
_MIN_FILES = 4096
# What is read elsewhere than in the settings.
_OTHER_VARIABLES = frozenset(
    {
        "ADBID_KEY",
        "ADBID_URL",
        "ADBID_METRICS_TOKEN_FILE",
        "ADBID_LOG_LEVEL",
        "ADBID_LOG_FILE",
        "ADBID_HEALTH_URL",
        "ADBID_HOME_ID",
        "ADBID_MLFLOW_DATABASE_URL",
        "ADBID_RAY_DASHBOARD_URL",
    }
)
# Passwords that people leave as they came, in examples and images.
_DEFAULT_PASSWORDS = frozenset(
    {
        "",
        "postgres",
        "password",
        "admin",
        "adbid",
        "redis",
        "secret",
        "changeme",
        "change-me",
        "test",
    }
)
_LOOPBACK = ("127.", "::1", "::ffff:127.")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `says` holds what was found and, if bad, the cure."""

    what: str
    ok: bool
    says: str


def examine(asked: Settings, effective: Settings) -> list[Finding]:
    """Look at everything. `asked` are the settings for `up`, `effective` those that hold now."""
    home = Home(asked.home)
    state = lifecycle.running(home)
    findings = [
        _python(),
        _disk(asked),
        _memory(),
        _open_files(),
        *_unknown_variables(),
        _passwords(effective),
    ]
    findings.extend(_abandoned())
    if state is None:
        return [*findings, _ports(asked), _leftovers(home), *_migrations(effective)]
    everything = processes.marked(home)
    return [
        *findings,
        _supervised(state),
        _exposure(state, everything),
        *_flags(everything),
        *_migrations(effective),
    ]


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    ok = (3, 11) <= sys.version_info[:2] <= (3, 13)
    return Finding("Python", ok, version if ok else f"{version}; 3.11, 3.12 or 3.13 is needed")


def _disk(settings: Settings) -> Finding:
    place = next(path for path in (settings.home, *settings.home.parents) if path.exists())
    free = shutil.disk_usage(place).free
    says = f"{free / _GIB:.1f} GiB free at {place}"
    ok = free >= _MIN_DISK
    return Finding("Disk", ok, says if ok else f"{says}; make room, or set ADBID_HOME")


def _abandoned() -> Iterator[Finding]:
    """Databases outside of a home that was deleted: nothing to mend, but room to be had."""
    for folder, home in abandoned().items():
        says = f"{folder}: the database of {home}, deleted since; remove it if nobody wants it back"
        yield Finding("Abandoned", True, says)


def _memory() -> Finding:
    total = psutil.virtual_memory().total
    ok = total >= _MIN_MEMORY
    says = f"{total / _GIB:.1f} GiB"
    return Finding("Memory", ok, says if ok else f"{says}; the whole system wants 4 GiB")


def _open_files() -> Finding:
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    ok = limit == resource.RLIM_INFINITY or limit >= _MIN_FILES
    return Finding("Open files", ok, f"limit {limit}" + ("" if ok else "; raise `ulimit -Hn`"))


def _unknown_variables() -> Iterator[Finding]:
    known = {f"ADBID_{name.upper()}" for name in Settings.model_fields}
    for name in sorted(os.environ):
        if name.startswith("ADBID_") and name not in known | _OTHER_VARIABLES:
            yield Finding("Environment", False, f"{name} is set, but no setting has that name")


def _passwords(settings: Settings) -> Finding:
    """Stores beyond this machine whose password is a default, or none."""
    weak = [
        name
        for name, url in (
            ("DATABASE_URL", settings.database_url),
            ("REDIS_URL", settings.redis_url),
        )
        if url is not None and has_default_password(url)
    ]
    if weak:
        return Finding("Keys", False, f"{', '.join(weak)}: a default password, or none; set one")
    return Finding("Keys", True, "no store has a default password")


def has_default_password(url: str) -> bool:
    """Whether anybody could guess the password of a store that others can reach."""
    parts = urlsplit(url)
    if (parts.hostname or "localhost") == "localhost" or parts.hostname in ("127.0.0.1", "::1"):
        return parts.password is not None and parts.password.lower() in _DEFAULT_PASSWORDS
    return (parts.password or "").lower() in _DEFAULT_PASSWORDS


def _ports(settings: Settings) -> Finding:
    try:
        wanted = plan(settings)
        ports.check_free(wanted.ports, wanted.block)
    except PortTaken as error:
        return Finding("Ports", False, error.detail)
    last = settings.port + ports.SIZE - 1
    return Finding("Ports", True, f"{settings.port}-{last} are ready for `adbid up`")


def _leftovers(home: Home) -> Finding:
    left = processes.marked(home)
    if not left:
        return Finding("Processes", True, "nothing runs, nothing is left over")
    pids = ", ".join(str(process.pid) for process in left)
    return Finding("Processes", False, f"left by a crash: {pids}; `adbid up` or `adbid down`")


def _supervised(state: SystemState) -> Finding:
    ailing = [name for name, part in state.parts.items() if part.phase in ("restarting", "failed")]
    if ailing:
        return Finding("System", False, f"{state.phase}, but not well: {', '.join(ailing)}")
    return Finding("System", state.phase == "up", f"{state.phase} on port {state.base_port}")


def _exposure(state: SystemState, everything: list[psutil.Process]) -> Finding:
    """Every listening socket beyond loopback, except the HTTP port where that was asked for."""
    exposed = set()
    for process in everything:
        for address, port in _listening(process):
            if not address.startswith(_LOOPBACK):
                exposed.add((port, address, process.name()))
    asked = {each for each in exposed if each[0] == state.base_port and state.host != "127.0.0.1"}
    names = ", ".join(f"{name} on {ip}:{port}" for port, ip, name in sorted(exposed - asked))
    if names:
        return Finding("Exposure", False, f"listens beyond loopback: {names}")
    beyond = f"; HTTP listens on {state.host}, as asked" if asked else ""
    return Finding(
        "Exposure",
        True,
        f"everything else is on loopback{beyond}"
        if asked
        else "everything listens on loopback only",
    )


def _listening(process: psutil.Process) -> list[tuple[str, int]]:
    try:
        connections = process.net_connections(kind="tcp")
    except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
        return []
    return [
        (connection.laddr.ip, connection.laddr.port)
        for connection in connections
        if connection.status == psutil.CONN_LISTEN
    ]


def _flags(everything: list[psutil.Process]) -> Iterator[Finding]:
    """Whether Ray runs with the flags that scoring in milliseconds depends on."""
    for process in everything:
        if process.name() == "raylet":
            env = process.environ()
            wrong = [f"{k}={env.get(k)}" for k, v in SERVE_FLAGS.items() if env.get(k) != v]
            says = f"differ from ours: {', '.join(wrong)}" if wrong else "Ray runs with all of ours"
            yield Finding("Flags", not wrong, says)


def _migrations(settings: Settings) -> Iterator[Finding]:
    if settings.database_url is None:
        return
    try:
        newer = newer_revision(settings.database_url)
        pending = pending_revisions(settings.database_url)
    except (SQLAlchemyError, AdBidError) as error:
        reason = str(error).partition("\n")[0]
        yield Finding("Migrations", False, f"the database does not answer: {reason}")
        return
    says = f"missing: {', '.join(pending)}; `adbid up` applies them" if pending else "up to date"
    if newer:
        says = f"a later release made the tables ({newer}): run it again, or go down with its code"
    yield Finding("Migrations", not pending and not newer, says)
