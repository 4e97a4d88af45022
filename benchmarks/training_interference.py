"""`python -m benchmarks.training_interference [--rounds 3]`: p99 of `/api/score` while training.

Starts a system of its own, imports a generated log, trains a first champion, and takes it all down
again. In each round bundles are asked for at a steady rate, once with no training going on and once
while `adbid retrain --now` fits, in turns which comes first. Prints the figures of each round and
of all; exit code 1 where the p99 of all rounds with training is more than twice that of those
without, where an answer was not 200, or where a training ended before its measurement.
"""

import argparse
import asyncio
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import services
from benchmarks.bodies import bundles
from benchmarks.promotion import Run, ask_steadily
from benchmarks.workload import level_catalogue
from stores import training_jobs
from stores.settings import PROJECT_ROOT, Settings, load_settings
from stores.training_runs import RunBook
from tests.folders import open_folder
from tests.ipinyou_log import write_log

MOST = 2.0
POLL_S = 0.5
START_S, END_S = 240.0, 1_800.0
PORT = 23_000


def main() -> int:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10.0, help="of each measurement")
    parser.add_argument("--rate", type=float, default=100.0, help="bundles a second")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--bids", type=int, default=20, help="of each bundle")
    parser.add_argument("--rows", type=int, default=150_000, help="impressions to train on")
    parser.add_argument("--port", type=int, default=PORT, help="of the system; 200 from it on")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # or the system would outlive this
    for name in ("DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"):
        os.environ.pop(name, None)
    with open_folder("interference") as scratch:
        os.environ["ADBID_HOME"] = str(scratch / "home")
        service = services.up("ours", scratch / "home", options.port)
        try:
            prepare(scratch, options)
            found = compare(options)
        finally:
            service.stop()
    print(json.dumps(found, indent=1))
    return int(not found["verdict"])


def prepare(scratch: Path, options: argparse.Namespace) -> None:
    """A history to train on, a champion to score by, and brands for all bids."""
    log = write_log(scratch / "log.csv.gz", options.rows)
    for command in (("import", "ipinyou", str(log), "--json"), ("train", "--json")):
        subprocess.run(
            [sys.executable, "-m", "cli.main", *command],
            cwd=PROJECT_ROOT,
            check=True,
            stdout=subprocess.DEVNULL,
        )
    level_catalogue(services.addresses(scratch / "home")["DATABASE_URL"])
    measure(Run(), load_settings(), options)  # until the champion is loaded and all is warm


def compare(options: argparse.Namespace) -> dict[str, Any]:
    """The rounds, their sums and the verdict."""
    settings = load_settings()
    rounds: list[dict[str, Any]] = []
    calm, training, ended_early = Run(), Run(), 0
    for number in range(options.rounds):
        mine: dict[str, Run] = {"without": Run(), "training": Run()}
        for kind in sorted(mine, reverse=number % 2 == 0):
            if kind == "without":
                measure(mine[kind], settings, options)
            else:
                ended_early += not measure_training(mine[kind], settings, options)
        calm.answers += mine["without"].answers
        training.answers += mine["training"].answers
        calm.broken += mine["without"].broken
        training.broken += mine["training"].broken
        rounds.append({kind: figures(run) for kind, run in mine.items()})
    without, during = figures(calm), figures(training)
    ratio = during["p99_ms"] / without["p99_ms"]
    good = ratio <= MOST and not without["bad"] and not during["bad"] and not ended_early
    return {
        "rounds": rounds,
        "without": without,
        "training": during,
        "p99_ratio": round(ratio, 2),
        "allowed": MOST,
        "trainings_ended_early": ended_early,
        "verdict": good,
    }


def measure_training(run: Run, settings: Settings, options: argparse.Namespace) -> bool:
    """Ask while a run fits, and wait for its end; whether it fitted all the while."""
    if settings.database_url is None:
        raise SystemExit("the system does not run: `adbid up` starts it")
    submitted = training_jobs.submit(settings).submission_id
    book = RunBook(settings.database_url)
    until(lambda: is_fitting(book, submitted), START_S)
    measure(run, settings, options)
    throughout = is_fitting(book, submitted)
    if not throughout:
        print("the training ended during the measurement: more --rows", file=sys.stderr)
    until(lambda: book.read(submitted)["status"] not in ("PENDING", "RUNNING"), END_S)
    return throughout


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
