"""API keys on PostgreSQL: only a hash is kept, and a revoked key is refused within seconds."""

import asyncio
import contextlib
import hmac
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import asyncpg

from bidding.errors import Conflict, NotFound, StoreUnavailable, Unauthorized
from stores.audit import AuditEntry, Author, record_audit
from stores.key_types import (
    IssuedKey,
    KeyRecord,
    checked_name,
    checked_scopes,
    hash_token,
    new_token,
    prefix_of,
    refused,
)
from stores.postgres import Connection, Postgres
from stores.publishing import Publisher, Touched

ENTITY = "api_key"
# A revoked key goes on working this long where the change feed is silent too.
CACHE_S = 5.0
# A key in use is checked anew this often, beside the request: no bundle waits for PostgreSQL.
REFRESH_S = 2.0
# What a key that was good is waited for where it was not in use: PostgreSQL may hang.
PATIENCE_S = 0.05
# A token that is none is not looked up again so soon.
REFUSED_S = 2.0
# While PostgreSQL is away nobody can revoke: what was good last goes on working this long.
STALE_S = 600.0
CACHED_KEYS = 10_000
_NO_HASH = bytes(32)
_PREFIX_TRIES = 5

_COLUMNS = "id, name, prefix, scopes, created_at, revoked_at, last_used_at"
_INSERT = f"""
    INSERT INTO api_key (name, prefix, hash, scopes) VALUES ($1, $2, $3, $4)
    ON CONFLICT (prefix) DO NOTHING RETURNING {_COLUMNS}
"""  # noqa: S608
VERIFY = f"SELECT hash, {_COLUMNS} FROM api_key WHERE prefix = $1"  # noqa: S608
_LIST = f"SELECT {_COLUMNS} FROM api_key ORDER BY id"  # noqa: S608
_LOCK = f"SELECT {_COLUMNS} FROM api_key WHERE prefix = $1 FOR UPDATE"  # noqa: S608
_REVOKE = f"UPDATE api_key SET revoked_at = now() WHERE id = $1 RETURNING {_COLUMNS}"  # noqa: S608
_USED = """
    UPDATE api_key SET last_used_at = now()
    WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
"""


@dataclass(frozen=True, slots=True)
class _Check:
    """A question to PostgreSQL; who has a key that was good waits for it `until` then."""

    task: asyncio.Task[KeyRecord]
    until: float


class KeyStore:
    """`stores.key_types.Keys` on PostgreSQL."""

    def __init__(
        self,
        postgres: Postgres,
        publisher: Publisher,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._postgres = postgres
        self._publisher = publisher
        self._clock = clock
        # by the token's hash, so that no token stays in memory
        self._good: OrderedDict[bytes, tuple[float, KeyRecord]] = OrderedDict()
        self._bad: OrderedDict[bytes, float] = OrderedDict()
        self._checks: dict[bytes, _Check] = {}

    async def create(self, name: str, scopes: Iterable[str], author: Author) -> IssuedKey:
        """A new key; its token is in the answer and nowhere else. Raises `InvalidRequest`."""
        name, granted = checked_name(name), checked_scopes(scopes)
        async with self._postgres.transaction() as connection:
            for _ in range(_PREFIX_TRIES):
                token = new_token()
                row = await connection.fetchrow(
                    _INSERT, name, prefix_of(token), hash_token(token), list(granted)
                )
                if row is not None:
                    break
            else:
                raise Conflict("no free key prefix was found; try again")
            record = _record(row)
            await _audit(connection, author, "created", None, record)
        return IssuedKey(record, token)

    async def fetch_all(self) -> list[KeyRecord]:
        """All keys, also revoked ones, oldest first."""
        return [_record(row) for row in await self._postgres.fetch(_LIST)]

    async def revoke(self, prefix: str, author: Author) -> KeyRecord:
        """Ends a key for good. Raises `NotFound`; a revoked one stays as it is."""
        async with self._postgres.transaction() as connection:
            row = await connection.fetchrow(_LOCK, prefix)
            if row is None:
                raise NotFound(f"there is no key with prefix {prefix!r}")
            before = _record(row)
            if before.revoked_at is not None:
                return before
            row = await connection.fetchrow(_REVOKE, before.id)
            after = _record(row)
            await _audit(connection, author, "updated", before, after)
            change = await self._publisher.announce(connection, ENTITY, after.id, Touched())
        self.forget(after.id)
        await self._publisher.publish(change, Touched())
        return after

    async def verify(self, token: str) -> KeyRecord:
        """The key behind a token. Raises `Unauthorized`, or `StoreUnavailable` where PostgreSQL
        is away and the key was not seen lately.
        """
        prefix, hashed = prefix_of(token), hash_token(token)
        now = self._clock()
        known = self._good.get(hashed)
        age_s = float("inf") if known is None else now - known[0]
        if known is not None and age_s < REFRESH_S:
            return known[1]
        if now - self._bad.get(hashed, float("-inf")) < REFUSED_S:
            raise refused()
        check = self._check(prefix, hashed)
        if known is None or age_s >= STALE_S:
            return await asyncio.shield(check.task)
        if age_s >= CACHE_S:
            await asyncio.wait({check.task}, timeout=max(0.0, check.until - time.monotonic()))
            with contextlib.suppress(StoreUnavailable):
                if check.task.done():
                    return check.task.result()
        return known[1]

    def forget(self, key_id: int) -> None:
        """Drops a key from the cache: a change of `api_key` with this id was heard; 0 is all."""
        for hashed, (_, record) in list(self._good.items()):
            if key_id in (0, record.id):
                del self._good[hashed]

    async def aclose(self) -> None:
        for check in self._checks.values():
            check.task.cancel()

    def _check(self, prefix: str, hashed: bytes) -> _Check:
        """The check that is under way, or a new one: who comes meanwhile shares it."""
        found = self._checks.get(hashed)
        if found is None:
            task = asyncio.create_task(self._verified(prefix, hashed))
            found = self._checks[hashed] = _Check(task, time.monotonic() + PATIENCE_S)
            task.add_done_callback(lambda done: self._end(hashed, done))
        return found

    def _end(self, hashed: bytes, done: asyncio.Task[KeyRecord]) -> None:
        self._checks.pop(hashed, None)
        if done.cancelled() or not isinstance(done.exception(), Unauthorized):
            return
        self._good.pop(hashed, None)
        self._bad[hashed] = self._clock()
        while len(self._bad) > CACHED_KEYS:
            self._bad.popitem(last=False)

    async def _verified(self, prefix: str, hashed: bytes) -> KeyRecord:
        """The key as PostgreSQL has it now, remembered. Raises `Unauthorized`."""
        asked_at = self._clock()
        rows = await self._postgres.fetch(VERIFY, prefix)
        stored = rows[0]["hash"] if rows else _NO_HASH
        if not hmac.compare_digest(stored, hashed) or rows[0]["revoked_at"] is not None:
            raise refused()
        await self._postgres.fetch(_USED, rows[0]["id"])
        record = _record(rows[0])
        self._good[hashed] = (asked_at, record)
        self._good.move_to_end(hashed)
        while len(self._good) > CACHED_KEYS:
            self._good.popitem(last=False)
        return record


def _record(row: asyncpg.Record | None) -> KeyRecord:
    assert row is not None  # noqa: S101 (RETURNING gives its row)
    fields: dict[str, Any] = {name: value for name, value in row.items() if name != "hash"}
    return KeyRecord(**fields)


async def _audit(
    connection: Connection,
    author: Author,
    action: str,
    before: KeyRecord | None,
    after: KeyRecord,
) -> None:
    entry = AuditEntry(
        author,
        ENTITY,
        str(after.id),
        action,
        None if before is None else before.model_dump(mode="json"),
        after.model_dump(mode="json"),
    )
    await record_audit(connection, entry)
