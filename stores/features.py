"""What the serving path reads: Redis first, PostgreSQL for what Redis lacks, written back.

One round trip to each store whatever the number of keys; concurrent misses of one key share
one query. A store that is away is named in the answer, and costs nothing once its breaker is
open.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Iterable, Mapping

from bidding.bundle import AuctionRules
from bidding.errors import StoreUnavailable
from stores.change_feed import watch
from stores.changes import Change
from stores.feature_documents import (
    cached_rules,
    cached_slot,
    is_unknown,
    read_rules,
    read_slot,
    unknown_document,
)
from stores.feature_queries import SlotRows, query_rules, query_slots
from stores.feature_types import (
    RulesFetched,
    RulesSnapshot,
    SlotFeatures,
    SlotKey,
    SlotsFetched,
)
from stores.postgres import Postgres
from stores.redis_cache import RULES_KEY, UNKNOWN_ID, Document, RedisCache, slot_key
from stores.schema import MAX_KEY_LENGTH

SLOT_TTL_S = 300
UNKNOWN_TTL_S = 10
# Redis gets at most half of a deadline, and never longer than this: PostgreSQL may have to answer.
REDIS_SHARE = 0.5
REDIS_LIMIT_S = 0.25
LARGEST_ID = 2**63 - 1
# A slot, `None` for "there is no such slot".
Found = dict[SlotKey, SlotFeatures | None]


class FeatureStore:
    """`stores.feature_types.Features` on Redis and PostgreSQL."""

    def __init__(
        self, postgres: Postgres, redis: RedisCache, *, auction: AuctionRules | None = None
    ) -> None:
        self._postgres = postgres
        self._redis = redis
        self.auction = auction or AuctionRules()
        self._asked: dict[SlotKey, asyncio.Task[Found]] = {}
        self._rules: asyncio.Task[RulesSnapshot] | None = None
        self._background: set[asyncio.Task[None]] = set()

    def down(self) -> frozenset[str]:
        """The stores whose breaker is open."""
        breakers = (self._redis.breaker, self._postgres.breaker)
        return frozenset(breaker.name for breaker in breakers if breaker.is_open)

    async def fetch_slots(
        self, keys: Iterable[SlotKey], deadline: float, at_least: int = 0
    ) -> SlotsFetched:
        """The slots behind `keys`, within `deadline` seconds; as of version `at_least` if possible.

        A cached slot from before that version counts only where PostgreSQL does not answer.
        Raises `StoreUnavailable` when no store could answer for any of the keys.
        """
        asked = list(dict.fromkeys(keys))
        found: Found = {key: None for key in asked if not _can_name_a_slot(key)}
        wanted = [key for key in asked if key not in found]
        until = time.monotonic() + deadline
        missing = set(self.down())
        old: Found = {}
        try:
            cached = await self._cached(wanted, _redis_budget(deadline))
            old = {k: slot for k, slot in cached.items() if slot and slot.version < at_least}
            found |= {key: slot for key, slot in cached.items() if key not in old}
        except StoreUnavailable:
            missing.add("redis")
        misses = [key for key in wanted if key not in found]
        if misses:
            stored = await self._stored(misses, until - time.monotonic(), at_least)
            found |= stored
            if len(stored) < len(misses):
                missing.add("postgres")
            found = {key: slot for key, slot in old.items() if key in misses} | found
        if asked and not found:
            raise StoreUnavailable("neither Redis nor PostgreSQL answers for these slots")
        return SlotsFetched(
            slots={key: slot for key, slot in found.items() if slot is not None},
            unknown=frozenset(key for key, slot in found.items() if slot is None),
            unanswered=frozenset(key for key in asked if key not in found),
            missing=frozenset(missing),
        )

    async def fetch_rules(self, deadline: float, at_least: int = 0) -> RulesFetched:
        """The rules of now, within `deadline` seconds; `StoreUnavailable` if nobody knows.

        Cached rules from before version `at_least` count only where PostgreSQL does not answer.
        """
        until = time.monotonic() + deadline
        missing = set(self.down())
        try:
            cached = await self._redis.read(RULES_KEY, _redis_budget(deadline))
            snapshot = None if cached is None else cached_rules(cached, self.auction)
        except StoreUnavailable:
            missing.add("redis")
            snapshot = None
        if snapshot is None or snapshot.version < at_least:
            try:
                snapshot = await self._stored_rules(until - time.monotonic(), at_least)
            except StoreUnavailable:
                if snapshot is None:
                    raise
                missing.add("postgres")
        return RulesFetched(snapshot, frozenset(missing))

    def watch_changes(self) -> AsyncIterator[Change]:
        """Every committed change, once, from whichever store delivers it first."""
        return watch(self._postgres, self._redis)

    async def aclose(self) -> None:
        for task in (*self._background, *self._asked.values()):
            task.cancel()
        await self._redis.aclose()
        await self._postgres.aclose()

    async def _cached(self, keys: list[SlotKey], budget_s: float) -> Found:
        ids = [key for key in keys if isinstance(key, int)]
        names = [key for key in keys if isinstance(key, str)]
        if not keys:
            return {}
        by_id, by_name = await self._redis.read_slots(ids, names, budget_s)
        found: Found = {}
        asked: list[SlotKey] = [*ids, *names]
        for key, body in zip(asked, [*by_id, *by_name], strict=True):
            if body is None:
                continue
            if body == UNKNOWN_ID or is_unknown(body):
                found[key] = None
                continue
            slot = cached_slot(body)
            if slot is not None and key in (slot.slot_id, slot.external_key):
                found[key] = slot
        return found

    async def _stored(self, keys: list[SlotKey], seconds: float, at_least: int) -> Found:
        """From PostgreSQL, as far as it answers in time.

        A query that was under way may have begun before version `at_least` was committed: what
        it says of older is asked for once more.
        """
        until = time.monotonic() + seconds
        joined = [key for key in keys if key in self._asked]
        found = await self._join(keys, seconds)
        old = [key for key in joined if key in found and _version_of(found[key]) < at_least]
        return found | await self._join(old, until - time.monotonic()) if old else found

    async def _join(self, keys: list[SlotKey], seconds: float) -> Found:
        """What PostgreSQL says of the keys, as far as it answers in time.

        A key that is being asked for already is waited for, not asked again; a query goes on
        when its caller's time is up, so that the next one finds its answer in Redis.
        """
        new = [key for key in keys if key not in self._asked]
        if new:
            task = asyncio.create_task(self._query(new))
            self._asked |= dict.fromkeys(new, task)
            task.add_done_callback(lambda _: self._answered(new))
        queries = {self._asked[key] for key in keys}
        done, _ = await asyncio.wait(queries, timeout=max(seconds, 0.0))
        found: Found = {}
        for query in done:
            if not query.cancelled() and query.exception() is None:
                found |= query.result()
        return {key: found[key] for key in keys if key in found}

    def _answered(self, keys: list[SlotKey]) -> None:
        for key in keys:
            task = self._asked.pop(key, None)
            if task is not None and not task.cancelled():
                task.exception()  # read, so that asyncio does not report it as lost

    async def _query(self, keys: list[SlotKey]) -> Found:
        ids = [key for key in keys if isinstance(key, int)]
        names = [key for key in keys if isinstance(key, str)]
        rows = await query_slots(self._postgres, ids, names)
        found: Found = {}
        for key in keys:
            slot_id = rows.ids.get(key) if isinstance(key, str) else key
            body = rows.documents.get(slot_id) if slot_id is not None else None
            found[key] = None if body is None else read_slot(body)
        self._later(self._write_back(rows, ids, names))
        return found

    async def _stored_rules(self, seconds: float, at_least: int) -> RulesSnapshot:
        """From PostgreSQL; asked once more where a query under way began before `at_least`."""
        until = time.monotonic() + seconds
        joined = self._rules is not None
        snapshot = await self._join_rules(seconds)
        if joined and snapshot.version < at_least:
            return await self._join_rules(until - time.monotonic())
        return snapshot

    async def _join_rules(self, seconds: float) -> RulesSnapshot:
        """From PostgreSQL; concurrent callers share one query."""
        if self._rules is None:
            self._rules = asyncio.create_task(self._query_rules())
            self._rules.add_done_callback(self._rules_answered)
        query = self._rules
        done, _ = await asyncio.wait({query}, timeout=max(seconds, 0.0))
        if not done:
            raise StoreUnavailable("PostgreSQL did not answer in time")
        return query.result()

    def _rules_answered(self, task: asyncio.Task[RulesSnapshot]) -> None:
        self._rules = None
        if not task.cancelled():
            task.exception()

    async def _query_rules(self) -> RulesSnapshot:
        version, body = await query_rules(self._postgres)
        snapshot = read_rules(body, self.auction)
        if snapshot is None:
            raise StoreUnavailable("the rules can't be read")
        self._later(self._redis.write({RULES_KEY: Document(version, SLOT_TTL_S, body)}))
        return snapshot

    async def _write_back(self, rows: SlotRows, ids: list[int], names: list[str]) -> None:
        documents = {
            slot_key(slot_id): Document(rows.version, SLOT_TTL_S, body)
            for slot_id, body in rows.documents.items()
        }
        unknown = Document(rows.version, UNKNOWN_TTL_S, unknown_document(rows.version))
        documents |= {slot_key(i): unknown for i in ids if i not in rows.documents}
        await self._redis.write(documents)
        known = {name: rows.ids[name] for name in names if name in rows.ids}
        await self._redis.name_slots(known, SLOT_TTL_S)
        await self._redis.name_slots(_no_ids(names, known), UNKNOWN_TTL_S)

    def _later(self, work: Awaitable[None]) -> None:
        task = asyncio.create_task(_quietly(work))
        self._background.add(task)
        task.add_done_callback(self._background.discard)


def _version_of(slot: SlotFeatures | None) -> int:
    return 0 if slot is None else slot.version


def _no_ids(names: list[str], known: Mapping[str, int]) -> dict[str, int]:
    return {name: 0 for name in names if name not in known}


async def _quietly(work: Awaitable[None]) -> None:
    """A write-back that fails costs a later read, nothing else."""
    try:
        await work
    except StoreUnavailable:
        return


def _redis_budget(deadline: float) -> float:
    return min(deadline * REDIS_SHARE, REDIS_LIMIT_S)


def _can_name_a_slot(key: SlotKey) -> bool:
    """False for what no row can hold, so that it reaches neither store."""
    if isinstance(key, int):
        return 0 < key <= LARGEST_ID
    lone_surrogate = any("\ud800" <= letter <= "\udfff" for letter in key)
    return 0 < len(key) <= MAX_KEY_LENGTH and "\0" not in key and not lone_surrogate
