"""Events in PostgreSQL, kept until the rollup counts them.

`event_key` promises that an `event_id` is taken once, which a table partitioned by day can't;
`event_batch` is the rollup's queue: a batch is there exactly as long as it is not counted.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import asyncpg

from bidding.errors import InvalidRequest
from bidding.events import Event
from stores.postgres import CONNECTION_ERRORS, Postgres

if TYPE_CHECKING:
    from stores.postgres import Connection

EVENT_COLUMNS = (
    "event_id",
    "occurred_at",
    "type",
    "decision_id",
    "bid_id",
    "value",
    "slot_id",
    "brand_id",
    "device_type",
    "creative_type",
    "simulated",
)
# In one order everywhere, so that two commits with the same ids wait instead of deadlock.
_TAKE_KEYS = """
    INSERT INTO event_key (event_id) SELECT * FROM unnest($1::text[])
    ON CONFLICT DO NOTHING RETURNING event_id
"""
_QUEUE = """
    INSERT INTO event_batch (events, first_at, last_at) VALUES ($1, $2, $3) RETURNING batch_id
"""


class PostgresEvents:
    """`stores.event_types.EventWriter`."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def record(self, events: Sequence[Event]) -> set[str]:
        """One transaction for all of them. Raises `InvalidRequest` for what no column can hold."""
        if not events:
            return set()
        async with self._postgres.transaction() as connection:
            try:
                return await _record(connection, events)
            except CONNECTION_ERRORS:
                raise
            except (asyncpg.PostgresError, ValueError, OverflowError) as error:
                raise InvalidRequest(f"an event can't be kept: {type(error).__name__}") from error


async def _record(connection: "Connection", events: Sequence[Event]) -> set[str]:
    ids = sorted({event.event_id for event in events})
    fresh = {row[0] for row in await connection.fetch(_TAKE_KEYS, ids)}
    first = {event.event_id: event for event in reversed(events) if event.event_id in fresh}
    if not first:
        return fresh
    times = [event.occurred_at for event in first.values()]
    batch_id = await connection.fetchval(_QUEUE, len(first), min(times), max(times))
    await connection.copy_records_to_table(
        "event",
        records=[(*_row(event), batch_id) for event in first.values()],
        columns=(*EVENT_COLUMNS, "batch_id"),
    )
    return fresh


def _row(event: Event) -> tuple[Any, ...]:
    """A row of `event`, in the order of `EVENT_COLUMNS`."""
    context = event.context
    return (
        event.event_id,
        event.occurred_at,
        event.type.value,
        event.decision_id,
        event.bid_id,
        event.value,
        *(
            (None, None, "", "")
            if context is None
            else (context.slot_id, context.brand_id, context.device_type, context.creative_type)
        ),
        event.simulated,
    )
