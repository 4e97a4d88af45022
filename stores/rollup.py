"""The rollup in PostgreSQL: one batch of events to counts, in one transaction.

Taking the batch out of the queue, the outcomes, `performance`, its totals and what caches are
owed are committed together: killed anywhere, a batch was counted wholly or not at all.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import asyncpg

from bidding.errors import StoreUnavailable
from bidding.events import Context, Event, EventType, Flag
from bidding.rollup import (
    Queued,
    Sorted,
    Tally,
    cell_of,
    context_of,
    key_of,
    sort_out,
    tally,
    wanted_decisions,
    without_unknown,
)
from stores.decisions import fetch_terms
from stores.event_settings import RollupSettings
from stores.events import EVENT_COLUMNS
from stores.outcome_rows import (
    CELL_COLUMNS,
    COUNT_COLUMNS,
    delta_rows,
    fetch_keyless,
    fetch_outcomes,
    put_keyless,
    put_outcomes,
)
from stores.postgres import Postgres
from stores.publishing import Publisher, Touched
from stores.totals import fold_statements, merge_statement

if TYPE_CHECKING:
    from stores.postgres import Connection

# Slots announced one by one; beyond, every replica reads what it needs again.
ANNOUNCED_SINGLY = 50
LONGEST_RETRY = timedelta(minutes=1)
SHORTEST_RETRY = timedelta(seconds=1)
_LOCK = 6_071_723_117
_EVENT_TYPES = {type_.value: type_ for type_ in EventType}
_E = ", ".join(f"e.{name}" for name in EVENT_COLUMNS)

_TRY_LOCK = f"SELECT pg_try_advisory_xact_lock({_LOCK})"
# Each batch has an event at least, so as many batches as events are wanted are enough: fewer than
# that are counted only where no more is due.
_TAKE = """
    WITH queued AS (
        SELECT batch_id, sum(events) OVER (ORDER BY batch_id) - events AS before
        FROM (
            SELECT batch_id, events FROM event_batch
            WHERE received_at <= now() - make_interval(secs => $2) ORDER BY batch_id LIMIT $1
        ) oldest
    )
    DELETE FROM event_batch b USING queued q
    WHERE b.batch_id = q.batch_id AND q.before < $1
    RETURNING b.batch_id, b.first_at, b.last_at
"""
_EVENTS = f"""
    SELECT {_E} FROM event e WHERE e.batch_id = ANY($1) AND e.occurred_at BETWEEN $2 AND $3
"""  # noqa: S608 (names of this module)
_WAITING = f"""
    SELECT {_E}, w.since_at FROM (
        SELECT * FROM event_waiting WHERE retry_at <= now() ORDER BY retry_at LIMIT $1
    ) w
    JOIN event e ON e.event_id = w.event_id AND e.occurred_at = w.occurred_at
"""  # noqa: S608
_PUT_WAITING = """
    INSERT INTO event_waiting (event_id, occurred_at, since_at, retry_at)
    SELECT * FROM unnest($1::text[], $2::timestamptz[], $3::timestamptz[], $4::timestamptz[])
    ON CONFLICT (event_id, occurred_at) DO UPDATE SET retry_at = excluded.retry_at
"""
_END_WAITING = """
    DELETE FROM event_waiting w USING unnest($1::text[], $2::timestamptz[]) AS done(event_id, at)
    WHERE w.event_id = done.event_id AND w.occurred_at = done.at
"""
_FLAG = """
    UPDATE event e SET flags = array_append(array_remove(e.flags, f.flag), f.flag)
    FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS f(event_id, at, flag)
    WHERE e.event_id = f.event_id AND e.occurred_at = f.at
"""
_CLEAR = """
    UPDATE event e SET flags = array_remove(e.flags, f.flag)
    FROM unnest($1::text[], $2::timestamptz[], $3::text[]) AS f(event_id, at, flag)
    WHERE e.event_id = f.event_id AND e.occurred_at = f.at
"""
_DELTA = """
    CREATE TEMP TABLE IF NOT EXISTS rollup_delta (slot_id bigint, brand_id bigint,
        device_type text COLLATE "C", creative_type text COLLATE "C", hour_at timestamptz,
        impressions bigint, clicks bigint, conversions bigint, revenue numeric)
    ON COMMIT DELETE ROWS
"""
# A note that is there already is locked, so that nobody pays it before these counts are committed:
# he would read the slot without them, and nothing would be owed any more.
_OWE = """
    INSERT INTO rollup_owed SELECT DISTINCT slot_id FROM rollup_delta ORDER BY slot_id
    ON CONFLICT (slot_id) DO UPDATE SET slot_id = excluded.slot_id
"""
_OWED = "SELECT slot_id FROM rollup_owed ORDER BY slot_id FOR UPDATE"
_PAY = "DELETE FROM rollup_owed WHERE slot_id = ANY($1)"
_BACKLOG = "SELECT coalesce(sum(events), 0)::bigint FROM event_batch"
_SLOTS = "SELECT id FROM slot WHERE id = ANY($1) ORDER BY id FOR KEY SHARE"
_BRANDS = "SELECT id FROM brand WHERE id = ANY($1) ORDER BY id FOR KEY SHARE"
# Few rows are looked up in large tables: one probe a row, whatever the statistics say.
_BY_INDEX = "SET LOCAL enable_hashjoin = off; SET LOCAL enable_mergejoin = off"


class PostgresRollup:
    """`stores.event_types.Rollup`. Two at once wait for each other's turn."""

    def __init__(self, postgres: Postgres, publisher: Publisher, settings: RollupSettings) -> None:
        self._postgres = postgres
        self._publisher = publisher
        self._settings = settings

    async def advance(self) -> int:
        """Count what is due: the oldest batches, and events whose decision may have come."""
        try:
            async with self._postgres.transaction() as connection:
                if not await connection.fetchval(_TRY_LOCK):
                    return 0
                queued = await self._take(connection)
                if queued:
                    await self._count(connection, queued)
        except asyncpg.PostgresError as error:  # a deadlock, or a cell that an import just made
            raise StoreUnavailable(f"the rollup was undone: {type(error).__name__}") from error
        return len(queued)

    async def refresh(self) -> int:
        """Mark, announce and write anew the documents of slots that were counted."""
        changes = []
        async with self._postgres.transaction() as connection:
            owed = [row[0] for row in await connection.fetch(_OWED)]
            await connection.execute(_PAY, owed)
            groups: list[tuple[int, ...]] = [(slot_id,) for slot_id in owed]
            if len(owed) > ANNOUNCED_SINGLY:
                groups = [tuple(owed)]
            for number, group in enumerate(groups):
                touched = Touched(rules=number == 0, slot_ids=group)
                slot_id = group[0] if len(group) == 1 else 0
                change = await self._publisher.announce(connection, "performance", slot_id, touched)
                changes.append((change, touched))
        for change, touched in changes:
            await self._publisher.publish(change, touched)
        return len(owed)

    async def backlog(self) -> int:
        rows = await self._postgres.fetch(_BACKLOG)
        return int(rows[0][0])

    async def _take(self, connection: "Connection") -> list[Queued]:
        size = self._settings.batch_events
        await connection.execute(_BY_INDEX)
        batches = await connection.fetch(_TAKE, size, self._settings.settle_s)
        rows: list[Any] = []
        if batches:
            first = min(row["first_at"] for row in batches)
            last = max(row["last_at"] for row in batches)
            ids = [row["batch_id"] for row in batches]
            rows = await connection.fetch(_EVENTS, ids, first, last)
        waiting = await connection.fetch(_WAITING, size)
        found = [Queued(event_of(row)) for row in rows]
        return found + [Queued(event_of(row), row["since_at"]) for row in waiting]

    async def _count(self, connection: "Connection", queued: list[Queued]) -> None:
        now = await connection.fetchval("SELECT now()")
        logged = await fetch_terms(connection, wanted_decisions(queued))
        give_up = timedelta(seconds=self._settings.give_up_after_s)
        found = await _known(connection, sort_out(queued, logged, now, give_up))
        keys = {key for each in found.resolved if (key := key_of(each)) is not None}
        cells = {cell_of(each) for each in found.resolved if each.event.decision_id is None}
        outcomes = await fetch_outcomes(connection, keys)
        done = tally(found.resolved, outcomes, await fetch_keyless(connection, cells))
        await put_outcomes(connection, done.outcomes, outcomes)
        await put_keyless(connection, done.keyless)
        await _add(connection, done)
        await _note(connection, queued, found, done, now)


async def _known(connection: "Connection", found: Sorted) -> Sorted:
    """Only events of slots and brands that are there, and stay until the commit."""
    contexts = {context_of(each) for each in found.resolved}
    slots = await connection.fetch(_SLOTS, list({each.slot_id for each in contexts}))
    brands = await connection.fetch(_BRANDS, list({each.brand_id for each in contexts}))
    return without_unknown(found, {row[0] for row in slots}, {row[0] for row in brands})


async def _add(connection: "Connection", done: Tally) -> None:
    """The deltas into `performance` and its totals."""
    if not done.deltas:
        return
    await connection.execute(_DELTA)
    await connection.copy_records_to_table(
        "rollup_delta", records=delta_rows(done.deltas), columns=CELL_COLUMNS + COUNT_COLUMNS
    )
    await connection.execute(merge_statement("rollup_delta"))
    for statement in fold_statements("rollup_delta"):
        await connection.execute(statement)
    await connection.execute(_OWE)


async def _note(
    connection: "Connection", queued: Iterable[Queued], found: Sorted, done: Tally, now: datetime
) -> None:
    """Who waits, who no longer does, and the flags that say so."""
    flags: dict[tuple[str, datetime], Flag] = dict(done.flags)
    flags |= {_place(event): Flag.UNCOUNTED for event in found.uncounted}
    flags |= {_place(each.event): Flag.PENDING for each in _new(found.waiting, now)}
    still = {_place(each.event) for each in found.waiting}
    came = {
        _place(each.event)
        for each in queued
        if each.since is not None and _place(each.event) not in still
    }
    await _put_waiting(connection, found.waiting, now)
    if came:
        await connection.execute(_END_WAITING, *_columns(came))
    cleared = dict.fromkeys(done.cleared, Flag.ORPHAN) | dict.fromkeys(came, Flag.PENDING)
    await _set_flags(connection, _CLEAR, cleared)
    await _set_flags(connection, _FLAG, flags)


async def _put_waiting(connection: "Connection", waiting: Iterable[Queued], now: datetime) -> None:
    rows = [
        (*_place(each.event), each.since or now, now + _retry_in(now - (each.since or now)))
        for each in waiting
    ]
    if rows:
        columns = [list(column) for column in zip(*rows, strict=True)]
        await connection.execute(_PUT_WAITING, *columns)


async def _set_flags(
    connection: "Connection", statement: str, flags: Mapping[tuple[str, datetime], Flag]
) -> None:
    if flags:
        values = [flag.value for flag in flags.values()]
        await connection.execute(statement, *_columns(flags), values)


def event_of(row: asyncpg.Record) -> Event:
    """An event from its row."""
    context, slot_id = None, row["slot_id"]
    if slot_id is not None:
        context = Context(slot_id, row["brand_id"], row["device_type"], row["creative_type"])
    return Event(
        event_id=row["event_id"],
        type=_EVENT_TYPES[row["type"]],
        occurred_at=row["occurred_at"],
        decision_id=row["decision_id"],
        bid_id=row["bid_id"],
        value=row["value"],
        context=context,
        simulated=row["simulated"],
    )


def _retry_in(waited: timedelta) -> timedelta:
    """Twice as long each time, within bounds."""
    return min(max(waited, SHORTEST_RETRY), LONGEST_RETRY)


def _new(waiting: Iterable[Queued], now: datetime) -> list[Queued]:
    return [each for each in waiting if each.since == now]


def _place(event: Event) -> tuple[str, datetime]:
    return event.event_id, event.occurred_at


def _columns(places: Collection[tuple[str, datetime]]) -> list[list[Any]]:
    return [list(column) for column in zip(*places, strict=True)]
