"""Stores that time their calls, for traced requests: who reads them opens a `collecting` block.

Another process takes the records home with its answer, where it is decided which traces to keep.
"""

import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, TypeVar

import asyncpg

from stores.postgres import Postgres
from stores.redis_cache import RedisCache

T = TypeVar("T")
_QUERY_LENGTH = 80
_ERROR, _SYSTEM = "error.type", "db.system.name"


@dataclass(frozen=True, slots=True)
class Process:
    """Which process did it."""

    service: str
    pid: int


@dataclass(frozen=True, slots=True)
class SpanRecord:
    """One timed piece of work: nanoseconds since 1970, `process` where another one is entered."""

    name: str
    started_ns: int
    ended_ns: int
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    children: tuple["SpanRecord", ...] = ()
    process: Process | None = None

    @property
    def failed(self) -> bool:
        status = self.attributes.get("http.response.status_code", 200)
        return _ERROR in self.attributes or int(status) >= 500

    @property
    def is_query(self) -> bool:
        """Whether it is a call to a store."""
        return _SYSTEM in self.attributes


_OPEN: ContextVar[list[SpanRecord] | None] = ContextVar("open_spans", default=None)


@contextmanager
def collecting() -> Iterator[list[SpanRecord]]:
    """The records of the store calls made inside, by this task and those that it starts."""
    found: list[SpanRecord] = []
    token = _OPEN.set(found)
    try:
        yield found
    finally:
        _OPEN.reset(token)


@contextmanager
def timed(name: str, **attributes: str | int | float) -> Iterator[None]:
    """Record one call, failed or not, where somebody collects."""
    found = _OPEN.get()
    if found is None:
        yield
        return
    started_ns = time.time_ns()
    said: dict[str, str | int | float] = dict(attributes)
    try:
        yield
    except BaseException as error:
        said[_ERROR] = type(error).__name__
        raise
    finally:
        found.append(SpanRecord(name, started_ns, time.time_ns(), said))


class TracedRedis(RedisCache):
    """`RedisCache` whose round trips are recorded."""

    async def _within(self, budget_s: float, work: Callable[[], Awaitable[T]]) -> T:
        with timed("redis", **{_SYSTEM: "redis"}):
            return await super()._within(budget_s, work)


class TracedPostgres(Postgres):
    """`Postgres` whose queries are recorded; parameters are not."""

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        summary = " ".join(query.split())[:_QUERY_LENGTH]
        names = {_SYSTEM: "postgresql", "db.query.summary": summary}
        with timed("postgres", **names):
            return await super().fetch(query, *arguments)
