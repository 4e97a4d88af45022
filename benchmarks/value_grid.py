"""How long the heat map takes over ten million rows of `performance`.

`python -m benchmarks.value_grid` makes a database of its own on the server of DATABASE_URL (or
of the running system), fills it, times every kind of grid, prints a table, and drops it again.
"""

import argparse
import asyncio
import statistics
import time
from datetime import UTC, datetime, timedelta

import psycopg

from benchmarks.scratch import scratch_database
from stores.metric_types import VpiQuery
from stores.metrics import PostgresMetrics, source_of
from stores.migrating import migrate
from stores.postgres import Postgres
from stores.totals import fold_statements

DATABASE = "adbid_value_grid"
SLOTS, BRANDS, DEVICES, DAYS = 400, 50, 2, 28
ROUNDS = 5
START = datetime(2026, 10, 1, tzinfo=UTC)
_CATALOGUE = (
    "INSERT INTO brand_strategy (name, vpi_multiplier) VALUES ('Balanced', 1)",
    "INSERT INTO partner (external_key, name) SELECT 'p' || n, 'p' || n"
    " FROM generate_series(1, 20) n",
    "INSERT INTO slot (external_key, partner_id, name) SELECT 's' || n, n % 20 + 1, 's' || n"
    f" FROM generate_series(1, {SLOTS}) n",
    "INSERT INTO brand (external_key, strategy_id, name) SELECT 'b' || n, 1, 'b' || n"
    f" FROM generate_series(1, {BRANDS}) n",
)
_FACTS = """
    INSERT INTO performance (slot_id, brand_id, device_type, creative_type, hour_at, impressions,
        clicks, conversions, revenue)
    SELECT s, b, (ARRAY['mobile', 'desktop'])[d], 'banner', %(start)s + make_interval(hours => h),
        100 + (s * 7 + b + h) %% 50, 3, 1, 0.5
    FROM generate_series(1, %(slots)s) s, generate_series(1, %(brands)s) b,
        generate_series(1, %(devices)s) d, generate_series(0, %(hours)s - 1) h
    WHERE (s * 31 + b * 17 + d * 7 + h * 13) %% %(hours)s < %(kept)s
"""


def fill(url: str, rows: int) -> int:
    """Makes the tables and about `rows` facts; answers how many."""
    migrate(url)
    hours = DAYS * 24
    kept = max(1, round(rows / (SLOTS * BRANDS * DEVICES)))
    with psycopg.connect(url) as connection:
        for statement in _CATALOGUE:
            connection.execute(statement)
        made = connection.execute(
            _FACTS,
            {"start": START, "slots": SLOTS, "brands": BRANDS, "devices": DEVICES,
             "hours": hours, "kept": kept},
        ).rowcount  # fmt: skip
        for statement in fold_statements("performance"):
            connection.execute(statement)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("VACUUM (ANALYZE)")
    return made


async def measure(url: str) -> dict[str, tuple[str, int, float]]:
    """By query: the table it reads, its cells, and the median of its times in ms."""
    postgres = Postgres(url, timeout_s=60)
    metrics = PostgresMetrics(postgres)
    found = {}
    for name, query in queries().items():
        times = []
        for _ in range(ROUNDS):
            started = time.perf_counter()
            cells = await metrics.sum_performance(query)
            times.append((time.perf_counter() - started) * 1000)
        found[name] = (source_of(query), len(cells), statistics.median(times))
    await postgres.aclose()
    return found


def queries() -> dict[str, VpiQuery]:
    """Every kind of grid over all 28 days."""
    whole = (START, START + timedelta(days=DAYS))
    return {
        "hour by weekday": VpiQuery(*whole),
        "hour by slot": VpiQuery(*whole, group_by="slot"),
        "hour by partner": VpiQuery(*whole, group_by="partner"),
        "hour by brand": VpiQuery(*whole, group_by="brand"),
        "hour by device": VpiQuery(*whole, group_by="device"),
        "day by slot": VpiQuery(*whole, "day", "slot"),
        "day by brand": VpiQuery(*whole, "day", "brand"),
        "one partner, hour by weekday": VpiQuery(*whole, partner_id=3),
        "one device, hour by slot": VpiQuery(*whole, group_by="slot", device_type="mobile"),
        "one slot, hour by brand": VpiQuery(*whole, group_by="brand", slot_id=7),
        "one brand, hour by slot": VpiQuery(*whole, group_by="slot", brand_id=7),
        "one brand, hour by partner": VpiQuery(*whole, group_by="partner", brand_id=7),
        "one partner, hour by brand": VpiQuery(*whole, group_by="brand", partner_id=3),
        "one slot and brand, day by device": VpiQuery(*whole, "day", "device", 7, 7),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    arguments = parser.parse_args()
    with scratch_database(DATABASE) as url:
        rows = fill(url, arguments.rows)
        print(f"{rows:,} rows of performance, {DAYS} days\n\n| grid | reads | cells | median ms |")
        print("|---|---|---|---|")
        for name, (table, cells, median_ms) in asyncio.run(measure(url)).items():
            print(f"| {name} | `{table}` | {cells:,} | {median_ms:.0f} |")


if __name__ == "__main__":
    main()
