"""Logged bundles for what-if: the last so many, in shares that several processes can read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import datetime

import asyncpg

from bidding.bundle import AuctionType
from bidding.evaluate import LoggedBundle
from stores.decision_columns import unpack
from stores.postgres import Postgres

PAGE = 500
# The keys alone are sorted, on the primary key; bids are read only of the rows in the share.
_BUNDLES = """
    WITH recent AS MATERIALIZED (
        SELECT decided_at, decision_id, row_number() OVER () AS number FROM (
            SELECT decided_at, decision_id FROM decision_bids WHERE decided_at <= $1
            ORDER BY decided_at DESC, decision_id DESC LIMIT $2
        ) newest
    )
    SELECT d.slot_id, d.auction, b.brand_ids, b.reasons, b.packed
    FROM recent
    CROSS JOIN LATERAL (
        SELECT brand_ids, reasons, packed FROM decision_bids
        WHERE decided_at = recent.decided_at AND decision_id = recent.decision_id LIMIT 1
    ) b
    CROSS JOIN LATERAL (
        SELECT slot_id, auction FROM decision
        WHERE decided_at = recent.decided_at AND decision_id = recent.decision_id LIMIT 1
    ) d
    WHERE recent.number % $3 = $4
"""


_COUNT = """
    SELECT count(*) FROM (
        SELECT FROM decision_bids WHERE decided_at <= $1 ORDER BY decided_at DESC LIMIT $2
    ) newest
"""


@dataclass(frozen=True, slots=True)
class Share:
    """Every `of`-th (the `number`-th, from 0) of the last `limit` bundles until `until`."""

    until: datetime
    limit: int
    number: int = 0
    of: int = 1


async def count_bundles(postgres: Postgres, until: datetime, limit: int) -> int:
    """How many bundles there are until then, at most `limit`. Raises `StoreUnavailable`."""
    rows = await postgres.fetch(_COUNT, until, limit)
    return int(rows[0][0])


async def read_bundles(postgres: Postgres, share: Share) -> AsyncIterator[list[LoggedBundle]]:
    """The bundles of a share, newest first, page by page. Raises `StoreUnavailable`."""
    async with postgres.transaction() as connection:
        arguments = (share.until, share.limit, share.of, share.number)
        cursor = await connection.cursor(_BUNDLES, *arguments)
        while rows := await cursor.fetch(PAGE):
            yield [_bundle(row) for row in rows]


def _bundle(row: asyncpg.Record) -> LoggedBundle:
    logged = unpack(row["packed"], row["slot_id"], row["brand_ids"], row["reasons"])
    return logged.bundle(AuctionType(row["auction"]))
