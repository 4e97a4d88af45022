"""The decision log in PostgreSQL.

`decision` holds a row of a few hundred bytes for every decision, as long as its events may come;
`decision_bids` holds the bids of as many as are sampled, for days. See `docs/decisions/0005`.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from bidding.decision_ids import decided_at
from bidding.events import DecisionTerms, ServedBid
from bidding.pricing import PricingModel
from stores.copy_rows import HEADER, TRAILER, encode_bids
from stores.decision_columns import LoggedBids, unpack
from stores.decision_totals import ADD_MINUTES, minute_columns, minute_totals
from stores.decision_types import (
    BIDS_COLUMNS,
    ROW_COLUMNS,
    BidsRow,
    LoggedDecision,
    Row,
    RowRefused,
    Search,
    logged_of,
)
from stores.postgres import CONNECTION_ERRORS, Postgres

if TYPE_CHECKING:
    from stores.postgres import Connection

PAGE = 500
_PRICING_MODELS = {model.value: model for model in PricingModel}
# Rows encoded at a stretch before other work of the event loop gets its turn.
_SLICE = 20
_LAST_ID = UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")
_FAR = datetime(9999, 1, 1, tzinfo=UTC)
_D = ", ".join(f"d.{name}" for name in ROW_COLUMNS)
_B = "b.brand_ids, b.reasons, b.packed"

# LIMIT keeps the lookup inside the loop: one index probe in one partition for each id.
_TERMS = """
    SELECT d.* FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted(decision_id, decided_at)
    CROSS JOIN LATERAL (
        SELECT decision_id, device_type, winner_bid_id, winner_brand_id,
            winner_creative_type, winner_pricing_model, clearing_amount, simulated,
            -- made while nobody could tell which slot it was: now the catalogue can
            CASE WHEN slot_id <> 0 THEN slot_id ELSE
                coalesce((SELECT id FROM slot WHERE external_key = bundle->>'slot'), 0)
            END AS slot_id
        FROM decision
        WHERE decision_id = wanted.decision_id AND decided_at = wanted.decided_at LIMIT 1
    ) d
"""
_BIDS = """
    SELECT b.* FROM unnest($1::uuid[], $2::timestamptz[]) AS wanted(decision_id, decided_at)
    CROSS JOIN LATERAL (
        SELECT decision_id, brand_ids, reasons, packed FROM decision_bids
        WHERE decided_at = wanted.decided_at AND decision_id = wanted.decision_id LIMIT 1
    ) b
"""
_KNOWN = """
    SELECT decision_id FROM decision
    WHERE decision_id = ANY($1::uuid[]) AND decided_at BETWEEN $2 AND $3
"""
_ONE = f"""
    SELECT {_D}, {_B} FROM decision d
    LEFT JOIN decision_bids b ON b.decided_at = $2 AND b.decision_id = d.decision_id
    WHERE d.decision_id = $1 AND d.decided_at = $2
"""  # noqa: S608 (names of this module)
_RECENT = f"""
    SELECT {_D}, {_B} FROM decision_bids b
    CROSS JOIN LATERAL (
        SELECT * FROM decision
        WHERE decision_id = b.decision_id AND decided_at = b.decided_at LIMIT 1
    ) d
    WHERE (b.decided_at, b.decision_id) < ($1, $2)
        AND ($4::boolean IS NULL OR d.simulated = $4)
    ORDER BY b.decided_at DESC, b.decision_id DESC LIMIT $3
"""  # noqa: S608
# Costs a probe a decision, so only for who asks for a brand.
_OF_BRANDS = """
    LEFT JOIN LATERAL (
        SELECT brand_ids, reasons FROM decision_bids
        WHERE decided_at = d.decided_at AND decision_id = d.decision_id LIMIT 1
    ) b ON true
"""


class PostgresDecisions:
    """Both tables. Methods raise `StoreUnavailable` when PostgreSQL does not answer."""

    def __init__(self, postgres: Postgres) -> None:
        self._postgres = postgres

    async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
        """Write rows of both tables, all or none; see `DecisionWriter`.

        A crash of the server may lose the last half second of the log: events that matter
        carry their context, and nobody is told that a decision was written.
        """
        async with self._postgres.transaction() as connection:
            await connection.execute("SET LOCAL synchronous_commit = off")
            try:
                await _copy(connection, rows, bids)
                # last, as other replicas wait for these few rows
                await connection.execute(ADD_MINUTES, *minute_columns(minute_totals(rows)))
            except CONNECTION_ERRORS:
                raise
            except (asyncpg.PostgresError, ValueError, TypeError, OverflowError) as error:
                raise RowRefused(type(error).__name__) from error

    async def known(self, rows: Sequence[Row]) -> set[UUID]:
        """Which of these rows are there already."""
        ids, times = [row[0] for row in rows], [row[1] for row in rows]
        found = await self._postgres.fetch(_KNOWN, ids, min(times), max(times))
        return {row["decision_id"] for row in found}

    async def fetch_one(self, decision_id: UUID) -> LoggedDecision | None:
        """The decision with its bids, as far as they are kept."""
        rows = await self._postgres.fetch(_ONE, decision_id, decided_at(decision_id))
        return logged_of(dict(rows[0])) if rows else None

    async def search(self, search: Search) -> list[LoggedDecision]:
        """Decisions without their bids, newest first."""
        query, arguments = search_query(search)
        return [logged_of(dict(row)) for row in await self._postgres.fetch(query, *arguments)]

    async def fetch_recent(
        self, limit: int, *, simulated: bool | None = None
    ) -> AsyncIterator[list[LoggedDecision]]:
        """The last `limit` decisions whose bids are kept, newest first, in pages of 500.

        `simulated` leaves out the others; `None` takes both.
        """
        pages = [min(PAGE, limit - start) for start in range(0, limit, PAGE)]
        before: tuple[datetime, UUID] = (_FAR, _LAST_ID)
        ahead = asyncio.create_task(self._page(before, pages[0], simulated)) if pages else None
        try:
            for number, size in enumerate(pages, start=1):
                rows = await ahead if ahead is not None else []
                ahead = None
                if len(rows) == size and number < len(pages):
                    # the server reads the next page while the caller works on this one
                    before = (rows[-1]["decided_at"], rows[-1]["decision_id"])
                    ahead = asyncio.create_task(self._page(before, pages[number], simulated))
                if rows:
                    yield [logged_of(dict(row)) for row in rows]
        finally:
            if ahead is not None:
                ahead.cancel()

    async def _page(
        self, before: tuple[datetime, UUID], size: int, simulated: bool | None
    ) -> list[asyncpg.Record]:
        async with self._postgres.transaction() as connection:
            return await connection.fetch(_RECENT, *before, size, simulated)


def search_query(search: Search) -> tuple[str, list[Any]]:
    """The statement of one search: only what is asked for stands in it."""
    arguments: list[Any] = []

    def value(given: Any) -> str:
        arguments.append(given)
        return f"${len(arguments)}"

    until = search.before or _LAST_ID
    bounds = f"{value(decided_at(until))}, {value(until)}"
    tests = [
        f"d.decided_at >= {value(search.since)}",
        f"(d.decided_at, d.decision_id) < ({bounds})",
    ]
    if search.slot_id is not None:
        tests.append(f"d.slot_id = {value(search.slot_id)}")
    tests += _bid_tests(search, value)
    bids = "" if search.brand_id is None else _OF_BRANDS
    query = f"""
        SELECT {_D} FROM decision d {bids}
        WHERE {" AND ".join(tests)}
        ORDER BY d.decided_at DESC, d.decision_id DESC LIMIT {value(search.limit)}
    """  # noqa: S608 (names and numbered parameters only)
    return query, arguments


def _bid_tests(search: Search, value: Callable[[Any], str]) -> list[str]:
    """Decisions without their bids can only be found by winner, and by reason alone."""
    brand, reason = search.brand_id, search.reason
    if brand is None:
        return [] if reason is None else [f"d.results ? {value(str(reason))}"]
    if reason is None:
        found = value(brand)
        return [f"(d.winner_brand_id = {found} OR b.brand_ids @> ARRAY[{found}::bigint])"]
    pair = f"x.brand_id = {value(brand)} AND x.reason = {value(reason)}"
    return [
        f"EXISTS (SELECT FROM unnest(b.brand_ids, b.reasons) AS x(brand_id, reason) WHERE {pair})"
    ]


async def fetch_terms(
    connection: "Connection", wanted: Mapping[UUID, set[str]]
) -> dict[UUID, DecisionTerms]:
    """What the log says of these decisions; bids that did not win only where they are named."""
    ids = list(wanted)
    if not ids:
        return {}
    rows = await connection.fetch(_TERMS, ids, [decided_at(id_) for id_ in ids])
    others = await _fetch_others(
        connection,
        {
            row["decision_id"]: (row["slot_id"], names)
            for row in rows
            if (names := wanted[row["decision_id"]] - {row["winner_bid_id"]})
        },
    )
    return {
        row["decision_id"]: DecisionTerms(
            decision_id=row["decision_id"],
            slot_id=row["slot_id"],
            device_type=row["device_type"],
            winner=_served_winner(row),
            simulated=row["simulated"],
            others=others.get(row["decision_id"], {}),
        )
        for row in rows
    }


def _served_winner(row: asyncpg.Record) -> ServedBid | None:
    if row["winner_bid_id"] is None:
        return None
    return ServedBid(
        bid_id=row["winner_bid_id"],
        brand_id=row["winner_brand_id"],
        creative_type=row["winner_creative_type"],
        pricing_model=_PRICING_MODELS[row["winner_pricing_model"]],
        price=row["clearing_amount"],
    )


async def _fetch_others(
    connection: "Connection", wanted: Mapping[UUID, tuple[int, set[str]]]
) -> dict[UUID, dict[str, ServedBid]]:
    if not wanted:
        return {}
    ids = list(wanted)
    rows = await connection.fetch(_BIDS, ids, [decided_at(id_) for id_ in ids])
    found: dict[UUID, dict[str, ServedBid]] = {}
    for row in rows:
        slot_id, names = wanted[row["decision_id"]]
        bids = unpack(row["packed"], slot_id, row["brand_ids"], row["reasons"])
        found[row["decision_id"]] = served_others(bids, names)
    return found


def served_others(logged: LoggedBids, names: Collection[str]) -> dict[str, ServedBid]:
    """The named bids of known brands; a bid that did not win costs what it offered."""
    bids = logged.bids
    return {
        bid_id: ServedBid(
            bid_id=bid_id,
            brand_id=int(bids.brand_ids[index]),
            creative_type=logged.creative_types[index],
            pricing_model=PricingModel(int(bids.pricing_models[index])),
            price=Decimal(repr(float(bids.amounts[index]))),
        )
        for index, bid_id in enumerate(bids.bid_ids)
        if bid_id in names and bids.brand_ids[index] != 0
    }


async def _copy(connection: "Connection", rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
    if rows:
        await connection.copy_records_to_table(
            "decision", records=_sliced(rows), columns=ROW_COLUMNS
        )
    if bids:
        await connection.copy_to_table(
            "decision_bids", source=_encoded(bids), columns=BIDS_COLUMNS, format="binary"
        )


# Encoding hundreds of rows at a stretch would hold up the requests of the same event loop.
async def _sliced(rows: Sequence[Row]) -> AsyncIterator[Row]:
    for number, row in enumerate(rows, start=1):
        yield row
        if number % _SLICE == 0:
            await asyncio.sleep(0)


async def _encoded(bids: Sequence[BidsRow]) -> AsyncIterator[bytes]:
    yield HEADER
    for start in range(0, len(bids), _SLICE):
        yield encode_bids(bids[start : start + _SLICE])
        await asyncio.sleep(0)
    yield TRAILER
