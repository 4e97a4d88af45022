"""PostgreSQL for the services: a small pool with deadlines, behind a breaker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import asyncpg

from bidding.errors import StoreUnavailable
from stores.breaker import Breaker
from stores.database_url import plain_url

# What says "the server is not there (any more)", as opposed to "the query is wrong".
CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that heard of the server's end while it was idle
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
)
# The server's process behind a connection keeps what it learned of each table, and grew from 10 to
# 14 MB in twenty minutes of load: after so many queries, minutes under load, another replaces it.
QUERIES_OF_A_CONNECTION = 10_000
# A query whose client has gone ends within a second: it would go on beside those of the pool.
_SESSION = {
    "application_name": "adbid",
    "timezone": "UTC",
    "jit": "off",
    "client_connection_check_interval": "1s",
}

# in quotes, as asyncpg's class can't be subscripted when it runs
Connection: TypeAlias = "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]"


class Postgres:
    """A pool that connects on first use and never waits longer than it was told.

    Every method raises `StoreUnavailable` when the server does not answer in time.
    """

    def __init__(
        self,
        url: str,
        *,
        max_size: int = 4,
        timeout_s: float = 1.0,
        transaction_timeout_s: float = 10.0,
    ) -> None:
        self._dsn = plain_url(url)
        self._max_size = max_size
        self._timeout_s = timeout_s
        self._transaction_timeout_s = transaction_timeout_s
        longest_s = max(timeout_s, transaction_timeout_s)
        # what nobody waits for any more ends also where its client's host is gone or stands still
        self._session = _SESSION | {"statement_timeout": f"{round(longest_s * 1000)}ms"}
        self._pool: asyncpg.Pool[asyncpg.Record] | None = None
        self._opening = asyncio.Lock()
        self.breaker = Breaker("postgres", self.ping)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        """All rows of a query, within `timeout_s`; a broken query is `StoreUnavailable` too."""
        self.breaker.check()
        cancels = _cancels()
        try:
            async with asyncio.timeout(self._timeout_s), self._connection() as connection:
                rows = await connection.fetch(query, *arguments)
        except ValueError:  # an argument that no column can hold, which asyncpg calls interface
            raise
        except CONNECTION_ERRORS as error:
            _raise_if_cancelled(cancels, error)
            self.breaker.failed()
            raise unavailable(error) from error
        except asyncpg.PostgresError as error:
            raise unavailable(error) from error
        self.breaker.answered()
        return rows

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Connection]:
        """One transaction; an error inside rolls it back, and errors of SQL pass through."""
        self.breaker.check()
        cancels = _cancels()
        try:
            async with (
                asyncio.timeout(self._transaction_timeout_s),
                self._connection() as connection,
                connection.transaction(),
            ):
                yield connection
        except ValueError:
            raise
        except CONNECTION_ERRORS as error:
            _raise_if_cancelled(cancels, error)
            self.breaker.failed()
            raise unavailable(error) from error
        self.breaker.answered()

    async def ping(self) -> None:
        """Answers when a new connection can be made and used."""
        connection = await self.connect()
        connection.terminate()

    async def connect(self) -> "asyncpg.Connection[asyncpg.Record]":
        """A connection of the caller's own, outside the pool (to listen on)."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await asyncpg.connect(self._dsn, server_settings=self._session)
        except (*CONNECTION_ERRORS, asyncpg.PostgresError) as error:
            raise unavailable(error) from error

    async def aclose(self) -> None:
        await self.breaker.aclose()
        if self._pool is not None:
            self._pool.terminate()

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[Connection]:
        pool = await self._opened()
        connection = await pool.acquire()
        try:
            yield connection
        except (asyncio.CancelledError, *CONNECTION_ERRORS):
            # asyncpg would ask the server to cancel and wait for it: a stopped one never answers
            connection.terminate()
            raise
        finally:
            await pool.release(connection)

    async def _opened(self) -> "asyncpg.Pool[asyncpg.Record]":
        async with self._opening:
            if self._pool is None:
                self._pool = await asyncpg.create_pool(
                    self._dsn,
                    min_size=0,
                    max_size=self._max_size,
                    max_queries=QUERIES_OF_A_CONNECTION,
                    timeout=self._timeout_s,
                    server_settings=self._session,
                )
        return self._pool


def _cancels() -> int:
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()


def _raise_if_cancelled(before: int, error: BaseException) -> None:
    """A task that was cancelled must end, although asyncpg's clean-up raised something else.

    Its rollback of a statement that was cut off says that the connection is gone.
    """
    if _cancels() > before:
        raise asyncio.CancelledError from error


def unavailable(error: BaseException) -> StoreUnavailable:
    """The error without its text, which may hold the address or parts of a row."""
    return StoreUnavailable(f"PostgreSQL does not answer: {type(error).__name__}")


def affected(status: str) -> int:
    """Rows that a command's status names: `UPDATE 3` is 3."""
    return int(status.rsplit(" ", 1)[-1])
