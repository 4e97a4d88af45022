"""`python -m benchmarks.hot_queries`: the serving path's queries at ten million performance rows.

Fills a scratch PostgreSQL of its own (no fsync, 128 MB of shared buffers) with a generated
catalogue and history, then shows what each hot query costs and how PostgreSQL answers it.
Prints Markdown; with --write it replaces the measured part of docs/feature-fetch.md.
"""

import argparse
import asyncio
import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import asyncpg
import psycopg

from stores.feature_queries import RULES, SLOTS
from stores.keys import VERIFY
from stores.migrating import migrate
from stores.seed import seed
from stores.totals import merge_statement, rebuild_totals
from tests.folders import open_folder
from tests.servers import PostgresProcess

DOC = Path(__file__).parents[1] / "docs" / "feature-fetch.md"
BEGIN, END = "<!-- measured: begin -->", "<!-- measured: end -->"
RUNS = 30
SLOTS_MADE, BRANDS_MADE, PAIRS_A_SLOT = 2_000, 500, 100
FIRST_ID = 1_000

_CATALOGUE = f"""
    INSERT INTO partner (id, external_key, name) OVERRIDING SYSTEM VALUE
        SELECT {FIRST_ID} + n, 'p' || n, 'Partner ' || n FROM generate_series(0, 999) n;
    INSERT INTO slot (id, external_key, partner_id, name) OVERRIDING SYSTEM VALUE
        SELECT {FIRST_ID} + n, 's' || n, {FIRST_ID} + n % 1000, 'Slot ' || n
        FROM generate_series(0, {SLOTS_MADE - 1}) n;
    INSERT INTO brand (id, external_key, name, strategy_id) OVERRIDING SYSTEM VALUE
        SELECT {FIRST_ID} + n, 'b' || n, 'Brand ' || n, 1 + n % 5
        FROM generate_series(0, {BRANDS_MADE - 1}) n;
    INSERT INTO api_key (name, prefix, hash, scopes)
        SELECT 'Key ' || n, lpad(to_hex(n), 8, '0'), sha256(n::text::bytea), ARRAY['score']
        FROM generate_series(1, 1000) n;
"""
# Each slot has history with a hundred brands; each pair has as many hours as the total asks for.
_HISTORY = f"""
    INSERT INTO performance (slot_id, brand_id, device_type, creative_type, hour_at,
        impressions, clicks, conversions)
    SELECT {FIRST_ID} + s, {FIRST_ID} + (s + b * 5) %% {BRANDS_MADE},
        (ARRAY['desktop', 'mobile', 'tablet'])[1 + h %% 3], 'banner',
        date_trunc('hour', now()) - h * interval '1 hour', 100 + (s + b + h) %% 50, (b + h) %% 5, 0
    FROM generate_series(0, {SLOTS_MADE - 1}) s, generate_series(0, {PAIRS_A_SLOT - 1}) b,
        generate_series(1, %(hours)s) h
"""
_DELTAS = f"""
    CREATE TEMP TABLE deltas AS
    SELECT DISTINCT ON (slot_id) slot_id, brand_id, device_type, creative_type, hour_at,
        1 AS impressions, 0 AS clicks, 0 AS conversions, 0 AS revenue
    FROM performance WHERE slot_id IN (SELECT {FIRST_ID} + n * 7 FROM generate_series(1, 100) n)
    ORDER BY slot_id, hour_at DESC
"""


@dataclass(frozen=True, slots=True)
class Hot:
    """One query, with what it is for and its parameters."""

    name: str
    query: str
    arguments: tuple[Any, ...] = ()


@dataclass(frozen=True, slots=True)
class Measured:
    """What came of it: rows, indexes and sequential scans by table, milliseconds, the plan."""

    name: str
    rows: int
    indexes: tuple[str, ...]
    scanned: tuple[str, ...]
    planning_ms: float
    execution_ms: float
    plan: str


def hot_queries() -> list[Hot]:
    """The queries that requests wait for, and the one that events wait for."""
    ids = [FIRST_ID + n * 19 for n in range(100)]
    return [
        Hot("one slot, by our id", SLOTS, ([FIRST_ID + 7], [])),
        Hot("one slot, by its own key", SLOTS, ([], ["s7"])),
        Hot("100 slots of a gathered group", SLOTS, (ids, [])),
        Hot("all rules", RULES),
        Hot("a key", VERIFY, ("000001f4",)),
        Hot("100 changes into performance", merge_statement("deltas")),
    ]


async def measure(connection: "asyncpg.Connection[asyncpg.Record]", hot: Hot) -> Measured:
    """Run a query as often as `RUNS`, each time rolled back; medians of its times."""
    plans = []
    for _ in range(RUNS):
        explained = await _explain(connection, hot, "ANALYZE, FORMAT JSON")
        plans.append(json.loads(explained[0][0])[0])
    nodes = list(_nodes(plans[-1]["Plan"]))
    text = await _explain(connection, hot, "ANALYZE, BUFFERS, SUMMARY OFF")
    return Measured(
        name=hot.name,
        rows=int(plans[-1]["Plan"]["Actual Rows"]),
        indexes=tuple(sorted({n["Index Name"] for n in nodes if "Index Name" in n})),
        scanned=tuple(sorted({n["Relation Name"] for n in nodes if n["Node Type"] == "Seq Scan"})),
        planning_ms=median(plan["Planning Time"] for plan in plans),
        execution_ms=median(plan["Execution Time"] for plan in plans),
        plan="\n".join(row[0] for row in text),
    )


async def _explain(
    connection: "asyncpg.Connection[asyncpg.Record]", hot: Hot, options: str
) -> list[asyncpg.Record]:
    transaction = connection.transaction()
    await transaction.start()
    try:
        return await connection.fetch(f"EXPLAIN ({options}) {hot.query}", *hot.arguments)
    finally:
        await transaction.rollback()


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def fill(url: str, rows: int) -> None:
    """Make the catalogue and `rows` performance rows; indexes come last, as in a restore."""
    hours = max(1, rows // (SLOTS_MADE * PAIRS_A_SLOT))
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("SET maintenance_work_mem = '1GB'")
        connection.execute(_CATALOGUE)
        keep = "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE conname = %s"
        key = connection.execute(keep, ("pk_performance",)).fetchone()
        index = connection.execute(
            "SELECT indexdef FROM pg_indexes WHERE indexname = 'ix_performance_slot_id_brand_id'"
        ).fetchone()
        assert key is not None
        assert index is not None
        connection.execute("ALTER TABLE performance DROP CONSTRAINT pk_performance")
        connection.execute("DROP INDEX ix_performance_slot_id_brand_id")
        connection.execute(_HISTORY, {"hours": hours})
        connection.execute(f"ALTER TABLE performance ADD CONSTRAINT pk_performance {key[0]}")
        connection.execute(index[0])
        with connection.transaction():
            rebuild_totals(connection)
        connection.execute("VACUUM (ANALYZE)")


async def measure_all(url: str) -> tuple[list[Measured], str]:
    """Every hot query, and how large what they run on is."""
    connection = await asyncpg.connect(url, server_settings={"jit": "off"})
    try:
        await connection.execute(_DELTAS)
        await connection.execute("ANALYZE deltas")
        size = await connection.fetchrow("""
            SELECT (SELECT count(*) FROM performance) AS rows, (SELECT count(*) FROM pair_total)
                AS pairs, pg_size_pretty(pg_total_relation_size('performance')) AS size
        """)
        assert size is not None
        about = f"{size['rows']:,} rows ({size['size']}), {size['pairs']:,} slot x brand pairs"
        return [await measure(connection, hot) for hot in hot_queries()], about
    finally:
        await connection.close()


def report(measured: list[Measured], about: str) -> str:
    """The table and the plans, as Markdown."""
    lines = [
        f"`performance`: {about}. Medians of {RUNS} runs.",
        "",
        "| query | rows | planning ms | execution ms | indexes used | read whole |",
        "|---|--:|--:|--:|---|---|",
    ]
    lines += [
        f"| {m.name} | {m.rows} | {m.planning_ms:.2f} | {m.execution_ms:.2f} "
        f"| {_list(m.indexes)} | {_list(m.scanned)} |"
        for m in measured
    ]
    for m in measured:
        lines += ["", f"<details><summary>The plan of: {m.name}</summary>", ""]
        lines += ["```", re.sub(r"[ \t]+$", "", m.plan, flags=re.M), "```", "", "</details>"]
    return "\n".join(lines)


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names) or "-"


@contextlib.contextmanager
def scratch_database() -> Iterator[str]:
    """The URL of a migrated database on a server that ends with the block."""
    with open_folder("hot") as root:
        server = PostgresProcess(root / "postgres")
        try:
            server.start()
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE hot")
            migrate(server.url("hot"))
            seed(server.url("hot"))
            yield server.url("hot")
        finally:
            server.stop()


def main() -> None:
    """Fill, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--write", action="store_true", help=f"into docs/{DOC.name}")
    given = parser.parse_args()
    with scratch_database() as url:
        fill(url, given.rows)
        found = report(*asyncio.run(measure_all(url)))
    print(found)
    if given.write:
        head, rest = DOC.read_text(encoding="utf-8").split(BEGIN)
        tail = rest.split(END)[1]
        DOC.write_text(f"{head}{BEGIN}\n{found}\n{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
