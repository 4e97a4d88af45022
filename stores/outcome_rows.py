"""Outcomes and keyless counts, between rows and what `bidding.attribution` works on."""

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from bidding.attribution import Cell, Counts, Keyless, Outcome, OutcomeKey, Step
from bidding.decision_ids import decided_at
from bidding.events import Context

if TYPE_CHECKING:
    from stores.postgres import Connection

_STEPS = ("impression", "click", "conversion")
_STEP_COLUMNS = tuple(f"{step}_{name}" for step in _STEPS for name in ("event_id", "at", "revenue"))
OUTCOME_COLUMNS = (
    "decision_id",
    "bid_id",
    "decided_at",
    "slot_id",
    "brand_id",
    "device_type",
    "creative_type",
    "simulated",
    *_STEP_COLUMNS,
)
CELL_COLUMNS = ("slot_id", "brand_id", "device_type", "creative_type", "hour_at")
COUNT_COLUMNS = ("impressions", "clicks", "conversions", "revenue")
_KEYS = "$1::uuid[], $2::text[], $3::timestamptz[]"
_CELLS = "$1::bigint[], $2::bigint[], $3::text[], $4::text[], $5::timestamptz[]"
_TYPES = dict(zip(OUTCOME_COLUMNS, ("uuid", "text", "timestamptz", "bigint", "bigint", "text",
    "text", "boolean") + ("text", "timestamptz", "numeric") * 3, strict=True))  # fmt: skip
_CHANGED = OUTCOME_COLUMNS[3:]

_FETCH = f"""
    SELECT o.* FROM unnest({_KEYS}) AS wanted(decision_id, bid_id, decided_at)
    CROSS JOIN LATERAL (
        SELECT {", ".join(OUTCOME_COLUMNS)} FROM outcome
        WHERE decision_id = wanted.decision_id AND bid_id = wanted.bid_id
            AND decided_at = wanted.decided_at LIMIT 1
    ) o
"""  # noqa: S608 (names of this module)
_UPDATE = f"""
    UPDATE outcome o SET {", ".join(f"{name} = c.{name}" for name in _CHANGED)}
    FROM unnest({", ".join(f"${n}::{_TYPES[c]}[]" for n, c in enumerate(OUTCOME_COLUMNS, 1))})
        AS c({", ".join(OUTCOME_COLUMNS)})
    WHERE o.decision_id = c.decision_id AND o.bid_id = c.bid_id AND o.decided_at = c.decided_at
        AND o.decided_at BETWEEN $18 AND $19
"""  # noqa: S608
_FETCH_KEYLESS = f"""
    SELECT k.* FROM unnest({_CELLS}) AS wanted({", ".join(CELL_COLUMNS)})
    JOIN keyless_count k USING ({", ".join(CELL_COLUMNS)})
"""  # noqa: S608
_PUT_KEYLESS = f"""
    INSERT INTO keyless_count ({", ".join(CELL_COLUMNS + COUNT_COLUMNS)})
    SELECT * FROM unnest({_CELLS}, $6::bigint[], $7::bigint[], $8::bigint[], $9::numeric[])
    ON CONFLICT ({", ".join(CELL_COLUMNS)}) DO UPDATE
    SET {", ".join(f"{name} = excluded.{name}" for name in COUNT_COLUMNS)}
"""  # noqa: S608


async def fetch_outcomes(
    connection: "Connection", keys: Collection[OutcomeKey]
) -> dict[OutcomeKey, Outcome]:
    """What is known of these served bids."""
    if not keys:
        return {}
    ids = [key.decision_id for key in keys]
    times = [decided_at(decision_id) for decision_id in ids]
    rows = await connection.fetch(_FETCH, ids, [key.bid_id for key in keys], times)
    return {(found := _outcome_of(row)).key: found for row in rows}


async def put_outcomes(
    connection: "Connection",
    outcomes: Mapping[OutcomeKey, Outcome],
    known: Collection[OutcomeKey],
) -> None:
    """Write outcomes; `known` are those that have a row."""
    new = [_row_of(outcome) for key, outcome in outcomes.items() if key not in known]
    if new:
        await connection.copy_records_to_table("outcome", records=new, columns=OUTCOME_COLUMNS)
    changed = [_row_of(outcome) for key, outcome in outcomes.items() if key in known]
    if changed:
        columns = [list(column) for column in zip(*changed, strict=True)]
        await connection.execute(_UPDATE, *columns, min(columns[2]), max(columns[2]))


async def fetch_keyless(connection: "Connection", cells: Collection[Cell]) -> dict[Cell, Keyless]:
    """What these cells have of events that name no decision."""
    if not cells:
        return {}
    rows = await connection.fetch(_FETCH_KEYLESS, *cell_columns(cells))
    return {
        Cell(_context_of(row), row["hour_at"]): Keyless(
            Counts(*(row[name] for name in COUNT_COLUMNS))
        )
        for row in rows
    }


async def put_keyless(connection: "Connection", keyless: Mapping[Cell, Keyless]) -> None:
    """Write these cells' counts."""
    if keyless:
        counts = [_count_row(each.seen) for each in keyless.values()]
        columns = [list(column) for column in zip(*counts, strict=True)]
        await connection.execute(_PUT_KEYLESS, *cell_columns(keyless), *columns)


def delta_rows(deltas: Mapping[Cell, Counts]) -> list[tuple[Any, ...]]:
    """Rows of `CELL_COLUMNS` and `COUNT_COLUMNS`."""
    return [(*_cell_row(cell), *_count_row(counts)) for cell, counts in deltas.items()]


def cell_columns(cells: Iterable[Cell]) -> list[list[Any]]:
    """The columns of `CELL_COLUMNS`."""
    return [list(column) for column in zip(*map(_cell_row, cells), strict=True)]


def _cell_row(cell: Cell) -> tuple[int, int, str, str, datetime]:
    c = cell.context
    return c.slot_id, c.brand_id, c.device_type, c.creative_type, cell.hour_at


def _count_row(counts: Counts) -> tuple[Any, ...]:
    return counts.impressions, counts.clicks, counts.conversions, counts.revenue


def _outcome_of(row: asyncpg.Record) -> Outcome:
    decision_id: UUID = row["decision_id"]
    return Outcome(
        OutcomeKey(decision_id, row["bid_id"]),
        _context_of(row),
        row["simulated"],
        *(_step_of(row, name) for name in _STEPS),
    )


def _context_of(row: asyncpg.Record) -> Context:
    return Context(row["slot_id"], row["brand_id"], row["device_type"], row["creative_type"])


def _step_of(row: asyncpg.Record, name: str) -> Step | None:
    event_id = row[f"{name}_event_id"]
    if event_id is None:
        return None
    return Step(event_id, row[f"{name}_at"], row[f"{name}_revenue"])


def _row_of(outcome: Outcome) -> tuple[Any, ...]:
    key, context = outcome.key, outcome.context
    steps = (outcome.impression, outcome.click, outcome.conversion)
    return (
        key.decision_id,
        key.bid_id,
        decided_at(key.decision_id),
        context.slot_id,
        context.brand_id,
        context.device_type,
        context.creative_type,
        outcome.simulated,
        *(value for step in steps for value in _step_columns(step)),
    )


def _step_columns(step: Step | None) -> tuple[Any, ...]:
    return (None, None, 0) if step is None else (step.event_id, step.occurred_at, step.revenue)
