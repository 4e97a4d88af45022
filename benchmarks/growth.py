"""`python -m benchmarks.growth`: what a bundle costs as bids, history and other traffic grow.

On one system of its own, in one run: milliseconds a bid for bundles of 10, 100 and 1,000 bids; the
median of an answer with a thousand and with ten million rows of history, for slots that are warm
and for slots that no replica has seen; and the tail at half of the peak with and without people on
the admin routes and the dashboard, in turn. Prints Markdown and keeps JSON.
"""

import argparse
import itertools
import json
import multiprocessing
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from pathlib import Path
from typing import Any

import httpx
import psycopg

from benchmarks import elsewhere, load, services, workload
from benchmarks.bodies import BRANDS, bundles, write_wrk_script
from benchmarks.run import RESULTS
from benchmarks.services import Service
from stores.database_url import plain_url
from stores.settings import PROJECT_ROOT
from stores.totals import rebuild_totals
from tests.folders import open_folder

PORT = 23_000
SIZES = (10, 100, 1000)
FIRST_SLOT = 100_000
SLOTS = 2_000
CLIENTS = 16
# The p99 of a round varies by half where nothing changed: so many times the rounds.
VISITED = 3
_PAGES = (
    "/api/metrics/overview?minutes=60",
    "/api/metrics/vpi?granularity=hour&group_by=dow",
    "/api/decisions?limit=50",
    "/api/models",
    "/slots?limit=50",
    "/strategies",
)
_SLOTS = f"""
    INSERT INTO slot (id, external_key, partner_id, name) OVERRIDING SYSTEM VALUE
    SELECT {FIRST_SLOT} + n, 'growth-' || n, 1, 'Slot ' || n FROM generate_series(0, {SLOTS - 1}) n
    ON CONFLICT DO NOTHING
"""
_HISTORY = f"""
    INSERT INTO performance (slot_id, brand_id, device_type, creative_type, hour_at,
        impressions, clicks, conversions)
    SELECT {FIRST_SLOT} + s, 1 + b, 'mobile', 'banner',
        date_trunc('hour', now()) - h * interval '1 hour', 100 + (s + b + h) %% 50, (b + h) %% 5, 0
    FROM generate_series(0, {SLOTS - 1}) s, generate_series(0, {BRANDS - 1}) b,
        generate_series(1, %(hours)s) h
    ON CONFLICT DO NOTHING
"""


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rows", type=int, default=10_000_000)
    given = parser.parse_args()
    with open_folder("growth") as folder:
        found = _measure(folder, given.rounds, given.seconds, given.rows)
    path = RESULTS / f"growth-{datetime.now(UTC):%Y-%m-%d}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    print(f"kept in {path.relative_to(PROJECT_ROOT)}")


def _measure(folder: Path, rounds: int, seconds: float, rows: int) -> dict[str, Any]:
    booster = workload.fit()
    ours = services.up("ours", folder / "home", PORT)
    try:
        where = services.addresses(folder / "home")
        workload.level_catalogue(where["DATABASE_URL"])
        workload.register(where["MLFLOW_TRACKING_URI"], booster, folder / "models")
        _until_scored(ours)
        bids = _by_bids(ours, folder, rounds, seconds)
        visited = _visited(ours, folder, rounds, seconds)
        history = _by_history(ours, where["DATABASE_URL"], rows)
        memory = services.memory_mib(ours)
    finally:
        ours.stop()
    return {
        "bids": bids,
        "history": history,
        "visited": visited,
        "memory_mib": memory,
    }


def _until_scored(ours: Service) -> None:
    for _ in range(240):
        if ours.ask(bundles(1)[0])["models"]["cvr"]:
            return
        time.sleep(0.5)
    raise TimeoutError("no model answers")


def _by_bids(ours: Service, folder: Path, rounds: int, seconds: float) -> dict[str, float]:
    """Median milliseconds of an answer at one client, by bids a bundle."""
    seen: dict[int, list[float]] = {size: [] for size in SIZES}
    for size in SIZES:
        write_wrk_script(folder / f"{size}.lua", bundles(size))
    for _ in range(rounds):
        for size in SIZES:
            found = load.run(ours.url, folder / f"{size}.lua", clients=1, seconds=seconds)
            seen[size].append(found.p50_ms)
    return {str(size): statistics.median(each) for size, each in seen.items()}


def _by_history(ours: Service, database_url: str, rows: int) -> dict[str, dict[str, float]]:
    """Median milliseconds for slots unseen and seen, with little history and with much."""
    found = {}
    pairs = SLOTS * BRANDS
    with psycopg.connect(plain_url(database_url), autocommit=True) as connection:
        connection.execute(_SLOTS)
        for name, hours in (("few", 0), ("many", -(-rows // pairs))):
            connection.execute(_HISTORY, {"hours": hours})
            with connection.transaction():
                rebuild_totals(connection)
            # What the rows cost, not what loading them leaves PostgreSQL to do behind it.
            connection.execute("VACUUM (ANALYZE) performance, pair_total")
            connection.execute("CHECKPOINT")
            connection.execute("UPDATE engine_state SET version = version + 1")
            time.sleep(5)
            (count,) = connection.execute("SELECT count(*) FROM performance").fetchone() or (0,)
            start = FIRST_SLOT + (0 if name == "few" else SLOTS // 2)
            cold, warm = _timed(ours, start), _timed(ours, start)
            found[name] = {"rows": count, "unseen_ms": cold, "seen_ms": warm}
    return found


def _timed(ours: Service, first: int) -> float:
    """The median over 500 slots, asked one after the other."""
    body = bundles(100)[0]
    took = []
    with httpx.Client() as client:
        for slot in range(first, first + 500):
            started = time.perf_counter()
            answer = client.post(f"{ours.url}/api/score", json=body | {"slot_id": slot})
            took.append((time.perf_counter() - started) * 1000)
            answer.raise_for_status()
    return statistics.median(took)


def _visited(ours: Service, folder: Path, rounds: int, seconds: float) -> dict[str, Any]:
    """p99 at half of the peak, alone and with visitors on the admin routes, in turn.

    `ratio` is the median of what neighbours make: the machine's own speed changes more from one
    minute to the next than visitors change the p99.
    """
    flat = load.run(ours.url, folder / "100.lua", clients=32, seconds=seconds)
    script = folder / "half.lua"
    write_wrk_script(script, bundles(100))
    pause = CLIENTS / (flat.per_s / 2) * 1000
    script.write_text(
        script.read_text() + f"\nfunction delay() return math.random(0, {2 * pause:.0f}) end\n"
    )
    pairs: list[tuple[float, float]] = []
    for number in range(VISITED * rounds):
        took = {}
        for visited in (False, True) if number % 2 else (True, False):
            with _visitors(ours) if visited else nullcontext():
                found = load.run(ours.url, script, clients=CLIENTS, seconds=seconds)
            took[visited] = found.p99_ms
        pairs.append((took[False], took[True]))
    alone, visited_ms = zip(*pairs, strict=True)
    return {
        "alone": statistics.median(alone),
        "visited": statistics.median(visited_ms),
        "ratio": statistics.median(second / first for first, second in pairs),
        "pairs": pairs,
    }


@contextmanager
def _visitors(ours: Service, people: int = 3) -> Iterator[None]:
    """People with the dashboard open: each asks for a page every half second.

    Their browsers are other machines: they get what CPU is left, from a process of their own.
    """
    assert ours.home is not None
    key = (ours.home / "secrets" / "admin-key").read_text().strip()
    context = multiprocessing.get_context("spawn")
    ready, done = context.Event(), context.Event()
    told = (ours.url, key, people, ready, done)
    process = context.Process(target=_visit_all, args=told, daemon=True)
    process.start()
    try:
        if not ready.wait(30):
            raise TimeoutError("the visitors did not come")
        yield
    finally:
        done.set()
        process.join(30)
    if process.exitcode:
        raise RuntimeError("a visitor was not served")


def _visit_all(url: str, key: str, people: int, ready: Event, done: Event) -> None:
    elsewhere.step(elsewhere.LEAST)
    with ExitStack() as clients, ThreadPoolExecutor(people) as pool:
        headers = {"Authorization": f"Bearer {key}"}
        # A client's certificates take 15 to 30 ms of a core to read: no part of what is measured.
        each = [
            clients.enter_context(httpx.Client(base_url=url, headers=headers, timeout=10))
            for _ in range(people)
        ]
        ready.set()
        for visit in [pool.submit(_visit, client, done) for client in each]:
            visit.result()


def _visit(client: httpx.Client, done: Event) -> None:
    for page in itertools.cycle(_PAGES):
        if done.wait(0.5):
            return
        client.get(page).raise_for_status()


def table(found: dict[str, Any]) -> str:
    """Markdown."""
    lines = ["| bids a bundle | answer, p50 | per bid |", "|---:|---:|---:|"]
    for size, took in found["bids"].items():
        lines.append(f"| {int(size):,} | {took:.2f} ms | {took / int(size) * 1000:.1f} us |")
    lines += [
        "",
        "| performance rows | a slot no replica has seen, p50 | seen |",
        "|---:|---:|---:|",
    ]
    for each in found["history"].values():
        lines.append(
            f"| {each['rows']:,.0f} | {each['unseen_ms']:.2f} ms | {each['seen_ms']:.2f} ms |"
        )
    visited = found["visited"]
    lines += ["", "| at half of the peak | p99 |", "|---|---:|"]
    lines.append(f"| scoring alone | {visited['alone']:.1f} ms |")
    lines.append(f"| and three people on the dashboard | {visited['visited']:.1f} ms |")
    lines.append(f"| the median of {len(visited['pairs'])} pairs | {visited['ratio']:.2f}x |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
