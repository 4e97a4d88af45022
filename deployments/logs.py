"""Logs of the service: one JSON line per event, without secrets.

They go to standard error, or to the file that `ADBID_LOG_FILE` names. A line has `timestamp`,
`level`, `event`, `deployment`, `pid`, what the event says, and `trace_id` inside a request, also in
the replicas that it leads to.
"""

import logging
import os
import re
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from io import TextIOBase
from pathlib import Path
from typing import Any, TextIO

import structlog

from bidding.errors import AdBidError

TRACE_ID: ContextVar[str | None] = ContextVar("trace_id", default=None)
HIDDEN = "[hidden]"
_WRITES_PER_LOOK = 256
_SECRET_NAMES = re.compile(
    r"password|passwd|secret|token|authorization|cookie|credential|api_?key|dsn|(database|redis)_url",
    re.IGNORECASE,
)
_SECRET_TEXTS = (
    (re.compile(r"(?<=://)[^/\s:@]*:[^/\s@]*(?=@)"), HIDDEN),
    (re.compile(r"(adb_[0-9a-f]{8})_[0-9a-f]{8,}"), rf"\1_{HIDDEN}"),
    (re.compile(r"(?i)\b(bearer|basic) [\w.~+/=-]{8,}"), rf"\1 {HIDDEN}"),
    (re.compile(r"(?i)\b(password|secret|token)=[^\s&;,]+"), rf"\1={HIDDEN}"),
)
Event = MutableMapping[str, Any]
log = structlog.get_logger(__name__)


def configure(deployment: str) -> None:
    """Set structlog up for this process; `ADBID_LOG_LEVEL` is info by default."""
    level = logging.getLevelName(os.environ.get("ADBID_LOG_LEVEL", "info").upper())
    constants = {"deployment": deployment, "pid": os.getpid()}

    def add_constants(_: Any, __: str, event: Event) -> Event:
        event.update(constants)
        return event

    structlog.configure(
        processors=[
            structlog.stdlib.add_log_level,
            add_constants,
            add_trace,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.JSONRenderer(default=str),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(
            level if isinstance(level, int) else logging.INFO
        ),
        logger_factory=structlog.PrintLoggerFactory(_output()),
        cache_logger_on_first_use=True,
    )


def _output() -> TextIO:
    """Not `sys.stderr`: Serve turns that into log lines of its own, and drops those."""
    own = sys.__stderr__ or sys.stderr
    path = os.environ.get("ADBID_LOG_FILE")
    if not path:
        return own
    try:
        return SharedFile(Path(path))
    except OSError as error:  # serving matters more than where the log goes
        print(f"ADBID_LOG_FILE={path} cannot be written: {error}", file=own)
        return own


class SharedFile(TextIOBase, TextIO):
    """A file that several processes append whole lines to; past its limit it starts anew.

    The full one is kept beside it as `.1`.
    """

    def __init__(self, path: Path, limit: int = 64 * 2**20) -> None:
        self._path = path
        self._limit = limit
        self._writes = 0
        self._file = self._open()

    def write(self, text: str) -> int:
        self._writes += 1
        if self._writes % _WRITES_PER_LOOK == 0:
            self._look()
        return os.write(self._file, text.encode(errors="replace"))

    def flush(self) -> None:
        """Every write is in the file already."""

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def _look(self) -> None:
        if os.fstat(self._file).st_size > self._limit and self._is_current():
            os.replace(self._path, self._path.with_name(self._path.name + ".1"))
        if not self._is_current():
            os.close(self._file)
            self._file = self._open()

    def _is_current(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._file), os.stat(self._path))
        except FileNotFoundError:
            return False


def add_trace(_: Any, __: str, event: Event) -> Event:
    """The trace of the request that is being answered."""
    trace_id = TRACE_ID.get()
    if trace_id is not None:
        event["trace_id"] = trace_id
    return event


@contextmanager
def answering(trace_id: str | None, call: str) -> Iterator[None]:
    """In a replica that was called: lines carry the trace of the request that led here.

    A bug is logged here, since the caller is told no more than its type, and goes on.
    """
    before = TRACE_ID.set(trace_id)
    try:
        yield
    except AdBidError:
        raise
    except Exception:
        log.exception("call_failed", call=call)
        raise
    finally:
        TRACE_ID.reset(before)


def redact(_: Any, __: str, event: Event) -> Event:
    """Hide values by their names, and secrets inside texts by their looks."""
    return {name: hidden(name, value) for name, value in event.items()}


def hidden(name: str, value: Any) -> Any:
    """`value` fit for a log under `name`."""
    if value is not None and _SECRET_NAMES.search(name):
        return HIDDEN
    if isinstance(value, str):
        for pattern, instead in _SECRET_TEXTS:
            value = pattern.sub(instead, value)
        return value
    if isinstance(value, Mapping):
        return {inner: hidden(str(inner), each) for inner, each in value.items()}
    if isinstance(value, list | tuple):
        return [hidden("", each) for each in value]
    return value
