"""`python -m benchmarks.what_if`: how long a what-if over 10,000 decisions of 100 bids takes.

On a system of its own: fills the decision log, asks `POST /strategies/1/what-if` some times over
HTTP and prints the times as JSON; exit code 1 where the median is above 3 s.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from datetime import UTC, datetime, timedelta

import httpx

from benchmarks import services
from benchmarks.services import Service
from stores.decision_types import bids_row_of, row_of
from stores.decisions import PostgresDecisions
from stores.postgres import Postgres
from tests.decision_cases import a_decision
from tests.folders import open_folder

MOST_S = 3.0
PORT = 23_000
PAGE = 500


def main() -> int:
    """Print what was seen."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=10_000)
    parser.add_argument("--bids", type=int, default=100)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    with open_folder("what-if") as folder:
        home = folder / "home"
        ours = services.up("ours", home, PORT)
        try:
            url = services.addresses(home)["DATABASE_URL"]
            asyncio.run(_fill(url, given.decisions, given.bids))
            took = [_ask(ours, given.decisions) for _ in range(given.rounds)]
        finally:
            ours.stop()
    median = statistics.median(took)
    found = {"decisions": given.decisions, "bids": given.bids, "seconds": took, "median_s": median}
    print(json.dumps(found))
    return int(median > MOST_S)


async def _fill(database_url: str, count: int, bids: int) -> None:
    postgres = Postgres(database_url, transaction_timeout_s=60.0)
    decisions = PostgresDecisions(postgres)
    at = datetime.now(UTC)
    try:
        for start in range(0, count, PAGE):
            numbers = range(start, min(start + PAGE, count))
            made = [a_decision(n, at - timedelta(milliseconds=n), bids=bids) for n in numbers]
            await decisions.record([row_of(d) for d in made], [bids_row_of(d) for d in made])
    finally:
        await postgres.aclose()


def _ask(ours: Service, decisions: int) -> float:
    """Seconds until the answer, which must be about all of them."""
    assert ours.home is not None
    key = (ours.home / "secrets" / "admin-key").read_text().strip()
    started = time.perf_counter()
    answer = httpx.post(
        f"{ours.url}/strategies/1/what-if",
        json={"vpi_multiplier": 3, "decisions": decisions},
        headers={"Authorization": f"Bearer {key}"},
        timeout=60,
    )
    took = time.perf_counter() - started
    answer.raise_for_status()
    if answer.json()["decisions"] != decisions:
        raise ValueError(f"{answer.json()['decisions']} decisions were compared")
    return round(took, 3)


if __name__ == "__main__":
    sys.exit(main())
