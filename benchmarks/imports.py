"""`python -m benchmarks.imports [--rows N]`: how fast a report is imported, and in what memory.

Generates a report of aggregated rows and imports it into a scratch PostgreSQL of its own, in a
process of its own, whose peak memory is read when it ends. Prints Markdown; docs/imports.md holds
what it printed. Exits with 1 below 50,000 rows/s or from 500 MB on.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import psycopg

from stores.importing.import_performance import PerformanceOptions, import_performance
from stores.importing.mapping import Mapping
from stores.migrating import migrate
from stores.seed import seed
from tests.folders import open_folder
from tests.servers import PostgresProcess

LEAST_ROWS_PER_S = 50_000
MOST_MB = 500
CHUNK = 500_000
_SIZES = ("300 x 250", "728 x 90", "160 x 600", "320 x 50")
_MAPPING = {
    "name": "generated",
    "columns": {
        **{name: name for name in ("slot", "brand", "impressions", "clicks", "conversions")},
        "creative_type": "size",
        "revenue": "revenue",
    },
    "when": {"at": "day"},
}


def main() -> None:
    """Run and print; or, as the child, import and say what it took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--child", nargs=2, metavar=("URL", "FILE"), help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(_import(given.child[0], Path(given.child[1]))))
        return
    found = _measure(given.rows)
    speed = found["rows"] / found["seconds"]
    print("| rows | file | seconds | rows/s | peak memory | performance rows |")
    print("|---:|---:|---:|---:|---:|---:|")
    print(
        f"| {found['rows']:,} | {found['file_mb']:.0f} MB | {found['seconds']:.1f} | {speed:,.0f}"
        f" | {found['peak_mb']:.0f} MB | {found['performance_rows']:,} |"
    )
    if speed < LEAST_ROWS_PER_S or found["peak_mb"] >= MOST_MB:
        sys.exit(f"wanted at least {LEAST_ROWS_PER_S:,} rows/s in less than {MOST_MB} MB")


def _measure(rows: int) -> dict[str, Any]:
    with open_folder("imports") as folder:
        path = folder / "report.csv"
        _write_report(path, rows)
        server = PostgresProcess(folder / "postgres")
        server.start()
        try:
            with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
                connection.execute("CREATE DATABASE adbid")
            url = server.url("adbid")
            migrate(url)
            seed(url)
            command = [sys.executable, "-m", "benchmarks.imports", "--child", url, str(path)]
            child = subprocess.Popen(command, stdout=subprocess.PIPE)
            answer, _ = child.communicate()
            if child.returncode:
                raise RuntimeError("the import failed")
            found: dict[str, Any] = json.loads(answer)
            return found | {"file_mb": path.stat().st_size / 1e6}
        finally:
            server.stop()


def _import(url: str, path: Path) -> dict[str, Any]:
    mapping = Mapping.model_validate(_MAPPING)
    began = time.perf_counter()
    report = import_performance(
        url, path, PerformanceOptions(mapping, path.with_suffix(".rejects")), lambda *_: None
    )
    return {
        "rows": report.accepted,
        "seconds": time.perf_counter() - began,
        "peak_mb": _peak_mb(),
        "performance_rows": report.performance_rows,
    }


def _peak_mb() -> float:
    """Of this process, since its start."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6


def _write_report(path: Path, rows: int) -> None:
    """A month of days of 2,000 slots with 20 of 200 brands each; nearly all keys differ."""
    rng = np.random.default_rng(1)
    with path.open("wb") as file:
        for start in range(0, rows, CHUNK):
            n = min(CHUNK, rows - start)
            impressions = rng.integers(100, 10_000, n)
            clicks = rng.binomial(impressions, 0.01)
            conversions = rng.binomial(clicks, 0.05)
            slots = rng.integers(0, 2_000, n)
            brands = (slots * 7 + rng.integers(0, 20, n)) % 200
            days = np.char.add("2026-10-", np.char.zfill(rng.integers(1, 32, n).astype("U2"), 2))
            frame = pl.DataFrame(
                {
                    "day": days,
                    "slot": np.char.add("slot-", slots.astype("U5")),
                    "brand": np.char.add("brand-", brands.astype("U5")),
                    "size": np.array(_SIZES)[rng.integers(0, len(_SIZES), n)],
                    "impressions": impressions,
                    "clicks": clicks,
                    "conversions": conversions,
                    "revenue": np.round(conversions * rng.uniform(5, 50, n), 2),
                }
            )
            frame.write_csv(file, include_header=start == 0)
        file.flush()
        os.fsync(file.fileno())


if __name__ == "__main__":
    main()
