"""How many events a second the running system takes, commits and counts.

`python -m benchmarks.events` logs decisions, posts their impressions, clicks and orders over
HTTP at a steady rate, and waits until the rollup has counted them. All of it is on slots of the
simulated market. Prints what was acknowledged, how fast, whether the rollup kept pace, and whether
the totals agree. Exit code 1 where they do not, where less than 98% of the rate was acknowledged,
or where the queue grew: its mean over the last third is more than a second of events above that
of the middle third.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import orjson
import psycopg

from bidding.decision_ids import CHANCE_BYTES, decision_id
from bidding.pricing import PricingModel
from stores.decision_types import ROW_COLUMNS, Row
from stores.decisions import PostgresDecisions
from stores.postgres import Postgres
from stores.settings import Settings, load_settings
from stores.simulated import ensure_simulated_catalogue

SLOTS = [f"sim:bench-slot-{number}" for number in range(1, 51)]
BRANDS = [f"sim:bench-brand-{number}" for number in range(1, 21)]
# Of ten decisions, one is clicked; of ten clicks, one brings an order.
CLICKED, ORDERED = 0.1, 0.1
_IDS = "SELECT id FROM {} WHERE external_key = ANY(%s) ORDER BY id"
_COUNTED = """
    SELECT coalesce(sum(impressions), 0)::bigint, coalesce(sum(clicks), 0)::bigint,
        coalesce(sum(conversions), 0)::bigint
    FROM performance WHERE slot_id = ANY(%s)
"""
SAMPLE_S = 0.5
LEAST_TAKEN = 0.98
_BACKLOG = "SELECT coalesce(sum(events), 0)::bigint FROM event_batch"


@dataclass(slots=True)
class Seen:
    """Answers of one run; latencies in seconds from the moment a request was due."""

    acknowledged: int = 0
    refused: int = 0
    latencies: list[float] = field(default_factory=list)


def a_row(at: datetime, slot_id: int, brand_id: int) -> Row:
    """A decision that one CPC bid won."""
    bundle = '{"browser":"chrome","segments":["sim:1","sim:2"]}'
    columns = {
        "decision_id": decision_id(at, os.urandom(CHANCE_BYTES)),
        "decided_at": at.replace(microsecond=at.microsecond // 1000 * 1000),
        "slot_id": slot_id,
        "device_type": "mobile",
        "auction": "second_price",
        "winner_bid_id": "b1",
        "winner_brand_id": brand_id,
        "winner_vpi": Decimal("0.01"),
        "winner_pricing_model": int(PricingModel.CPC),
        "winner_creative_type": "banner",
        "winner_creative": "",
        "clearing_vpi": Decimal("0.01"),
        "clearing_amount": Decimal("0.4"),
        "floor": Decimal(0),
        "bid_count": 1,
        "models": '{"ctr":null,"cvr":null}',
        "degraded": [],
        "bundle": bundle,
        "results": '{"0":1}',
        "took_ms": 5.0,
        "simulated": True,
    }
    return tuple(columns.get(name) for name in ROW_COLUMNS)


def ids_of(database_url: str, table: str, keys: list[str]) -> list[int]:
    """Our ids of these slots or brands."""
    with psycopg.connect(database_url) as connection:
        return [row[0] for row in connection.execute(_IDS.format(table), (keys,))]


async def log_decisions(database_url: str, slot_ids: list[int], count: int) -> list[UUID]:
    """`count` logged decisions of the last minute."""
    brand_ids = ids_of(database_url, "brand", BRANDS)
    rng, now = random.Random(1), datetime.now(UTC)
    ids: list[UUID] = []
    postgres = Postgres(database_url, transaction_timeout_s=60)
    log = PostgresDecisions(postgres)
    for start in range(0, count, 5_000):
        rows = [
            a_row(
                now - timedelta(milliseconds=rng.randrange(60_000)),
                rng.choice(slot_ids),
                rng.choice(brand_ids),
            )
            for _ in range(min(5_000, count - start))
        ]
        await log.record(rows, [])
        ids += [row[0] for row in rows]
    await postgres.aclose()
    return ids


def bodies(ids: list[UUID], size: int) -> Iterator[bytes]:
    """Bodies of `size` events: every decision's impression, some clicks and orders, mixed."""
    rng, at = random.Random(2), datetime.now(UTC).isoformat()
    types: list[tuple[str, UUID]] = []
    for each in ids:
        types.append(("impression", each))
        if rng.random() < CLICKED:
            types.append(("click", each))
            if rng.random() < ORDERED:
                types.append(("conversion", each))
    for start in range(0, len(types), size):
        events: list[dict[str, Any]] = [
            {
                "event_id": str(uuid4()),
                "type": type_,
                "decision_id": str(each),
                "occurred_at": at,
            }
            for type_, each in types[start : start + size]
        ]
        yield orjson.dumps({"events": events})


async def post(url: str, payloads: list[bytes], every_s: float, clients: int) -> Seen:
    """Post all, one `every_s` seconds (0: flat out) over `clients` connections."""
    seen, waiting = Seen(), iter(enumerate(payloads))
    async with aiohttp.ClientSession(url, connector=aiohttp.TCPConnector(limit=0)) as session:
        started = time.perf_counter()

        async def client() -> None:
            for number, body in waiting:
                due = started + number * every_s if every_s else time.perf_counter()
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                headers = {"Content-Type": "application/json"}
                async with session.post("/api/events", data=body, headers=headers) as answer:
                    text = await answer.read()
                seen.latencies.append(time.perf_counter() - due)
                if answer.status == 202:
                    seen.acknowledged += orjson.loads(text)["accepted"]
                else:
                    seen.refused += 1

        await asyncio.gather(*(client() for _ in range(clients)))
    return seen


async def watch_backlog(database_url: str, found: list[int]) -> None:
    """What is queued, twice a second, until cancelled."""
    connection = await psycopg.AsyncConnection.connect(database_url, autocommit=True)
    async with connection:
        while True:
            row = await (await connection.execute(_BACKLOG)).fetchone()
            assert row is not None
            found.append(row[0])
            await asyncio.sleep(SAMPLE_S)


async def post_and_watch(
    url: str, database_url: str, payloads: list[bytes], every_s: float, clients: int
) -> tuple[Seen, list[int]]:
    """`post`, and what was queued meanwhile."""
    backlog: list[int] = []
    watching = asyncio.create_task(watch_backlog(database_url, backlog))
    seen = await post(url, payloads, every_s, clients)
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)
    return seen, backlog


def growth_of(backlog: list[int]) -> float:
    """By how much the queue of the last third is longer than that of the middle third."""
    third = max(len(backlog) // 3, 1)
    return statistics.fmean(backlog[-third:]) - statistics.fmean(backlog[-2 * third : -third])


def counted(database_url: str, slot_ids: list[int]) -> tuple[int, int, int]:
    with psycopg.connect(database_url) as connection:
        row = connection.execute(_COUNTED, (slot_ids,)).fetchone()
    assert row is not None
    return row[0], row[1], row[2]


def wait_until_counted(database_url: str) -> tuple[int, float]:
    """What was still to be counted, and how long that took."""
    started, first = time.perf_counter(), None
    with psycopg.connect(database_url, autocommit=True) as connection:
        while True:
            row = connection.execute(_BACKLOG).fetchone()
            assert row is not None
            first = row[0] if first is None else first
            if row[0] == 0:
                return first, time.perf_counter() - started
            time.sleep(0.2)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=5_000, help="events a second; 0: flat out")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--batch", type=int, default=100, help="events in a request")
    parser.add_argument("--clients", type=int, default=16)
    arguments = parser.parse_args()
    settings = load_settings()
    if settings.database_url is None:
        parser.error("start the system with `adbid up`, or set DATABASE_URL")
    found = measure(settings, settings.database_url, arguments)
    print(json.dumps(found, indent=1))
    return int(not found["kept_pace"])


def measure(settings: Settings, database_url: str, arguments: argparse.Namespace) -> dict[str, Any]:
    """One run's figures."""
    ensure_simulated_catalogue(database_url, SLOTS, BRANDS)
    slot_ids = ids_of(database_url, "slot", SLOTS)
    events = (arguments.rate or 10_000) * arguments.seconds
    decisions = round(events / (1 + CLICKED * (1 + ORDERED)))
    ids = asyncio.run(log_decisions(database_url, slot_ids, decisions))
    payloads = list(bodies(ids, arguments.batch))
    before = counted(database_url, slot_ids)
    every_s = arguments.batch / arguments.rate if arguments.rate else 0.0
    started = time.perf_counter()
    url = f"http://{settings.host}:{settings.port}"
    seen, queue = asyncio.run(
        post_and_watch(url, database_url, payloads, every_s, arguments.clients)
    )
    took_s = time.perf_counter() - started
    backlog, drained_s = wait_until_counted(database_url)
    after = sum(counted(database_url, slot_ids)) - sum(before)
    latencies = sorted(seen.latencies)
    per_s, growth = seen.acknowledged / took_s, growth_of(queue)
    kept_pace = (
        per_s >= LEAST_TAKEN * arguments.rate
        and growth <= per_s
        and after == seen.acknowledged
        and seen.refused == 0
    )
    return {
        "acknowledged": seen.acknowledged,
        "refused_requests": seen.refused,
        "seconds": round(took_s, 1),
        "events_per_s": round(per_s),
        "p50_ms": round(latencies[len(latencies) // 2] * 1000, 1),
        "p99_ms": round(latencies[len(latencies) * 99 // 100] * 1000, 1),
        "queued_mean": round(statistics.fmean(queue)),
        "queued_most": max(queue),
        "queue_growth": round(growth),
        "queued_at_end": backlog,
        "counted_after_s": round(drained_s, 1),
        "counted": after,
        "kept_pace": kept_pace,
    }


if __name__ == "__main__":
    sys.exit(main())
