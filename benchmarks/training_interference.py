"""`python -m benchmarks.training_interference [--rounds 3]`: p99 of `/api/score` while training.

On a running system that has a history. In each round bundles are asked for at a steady rate, first
with no training going on, then while `adbid retrain --now` fits. Exit code 1 where the p99 of all
rounds with training is more than twice that of those without.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable

import numpy as np

from benchmarks.bodies import bundles
from benchmarks.promotion import Run, ask_steadily
from stores import training_jobs
from stores.settings import Settings, load_settings
from stores.training_runs import RunBook

MOST = 2.0
POLL_S = 0.5
START_S, END_S = 120.0, 600.0


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=100.0, help="bundles a second")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--bids", type=int, default=20, help="of each bundle")
    options = parser.parse_args()
    settings = load_settings()
    calm, training = Run(), Run()
    for _ in range(options.rounds):
        measure(calm, settings, options)
        measure_training(training, settings, options)
    found = {"without": figures(calm), "training": figures(training)}
    ratio = found["training"]["p99_ms"] / found["without"]["p99_ms"]
    print(json.dumps(found | {"p99_ratio": round(ratio, 2), "allowed": MOST}, indent=1))
    return int(ratio > MOST)


def measure_training(run: Run, settings: Settings, options: argparse.Namespace) -> None:
    """Ask while a run fits, and wait for its end. A run that ends sooner is said to."""
    if settings.database_url is None:
        raise SystemExit("the system does not run: `adbid up` starts it")
    submitted = training_jobs.submit(settings).submission_id
    book = RunBook(settings.database_url)
    until(lambda: is_fitting(book, submitted), START_S)
    measure(run, settings, options)
    if not is_fitting(book, submitted):
        print("the training ended during the measurement: shorten --seconds", file=sys.stderr)
    until(lambda: book.read(submitted)["status"] not in ("PENDING", "RUNNING"), END_S)


def is_fitting(book: RunBook, submission_id: str) -> bool:
    """Whether the run is at its longest part. A run that failed would measure nothing."""
    row = book.read(submission_id)
    if row["status"] in ("FAILED", "STOPPED"):
        raise SystemExit(f"the training failed: {row['error']}")
    return row["status"] == "RUNNING" and str(row["progress"]).startswith("fitting")


def until(holds: Callable[[], bool], within_s: float) -> None:
    """Raises `TimeoutError`."""
    end = time.monotonic() + within_s
    while not holds():
        if time.monotonic() > end:
            raise TimeoutError(f"not within {within_s:.0f} s")
        time.sleep(POLL_S)


def measure(run: Run, settings: Settings, options: argparse.Namespace) -> None:
    """Ask for so many seconds, into `run`."""
    bodies = [json.dumps(body | {"tmax_ms": 1_000}).encode() for body in bundles(options.bids)]
    url = f"http://{settings.host}:{settings.port}"

    async def ask() -> None:
        asking = asyncio.create_task(ask_steadily(run, url, bodies, options.rate, options.clients))
        await asyncio.wait([asking], timeout=options.seconds)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)

    asyncio.run(ask())


def figures(run: Run) -> dict[str, float]:
    """Quantiles in milliseconds, and what went wrong."""
    p50, p99 = np.quantile([answer.took_ms for answer in run.answers], (0.5, 0.99)).round(1)
    bad = sum(answer.status != 200 for answer in run.answers) + run.broken
    return {"answers": len(run.answers), "bad": bad, "p50_ms": float(p50), "p99_ms": float(p99)}


if __name__ == "__main__":
    sys.exit(main())
