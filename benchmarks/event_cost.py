"""What an event costs in processor time, by part: `python -m benchmarks.event_cost`.

On a database of its own beside the running system's (or DATABASE_URL's, on this machine): logs
decisions, takes their events through the intake, and counts them. CPU milliseconds per 1,000
events, of our process and of PostgreSQL's; these hardly depend on what else the machine does.
"""

import argparse
import asyncio
import json
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import psutil
import psycopg

from benchmarks.events import BRANDS, CLICKED, ORDERED, SLOTS, bodies, ids_of, log_decisions
from benchmarks.scratch import scratch_database
from bidding.errors import StoreUnavailable
from deployments import collector
from deployments.event_intake import EventIntake
from deployments.rollup import COLLECT_AFTER
from stores.event_settings import RollupSettings, load_event_settings
from stores.events import PostgresEvents
from stores.feature_types import SlotKey
from stores.migrating import migrate
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.rollup import PostgresRollup
from stores.seed import seed
from stores.simulated import ensure_simulated_catalogue

DATABASE = "adbid_event_cost"
NO_REDIS = "redis://127.0.0.1:9/0"
_BACKENDS = "SELECT pid FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()"


@dataclass(frozen=True, slots=True)
class Cost:
    """CPU seconds of this process and of PostgreSQL's for it."""

    python_s: float
    postgres_s: float

    def per_thousand(self, events: int) -> dict[str, float]:
        """Milliseconds per 1,000 events."""
        scale = 1e6 / events
        return {
            "python": round(self.python_s * scale, 1),
            "postgres": round(self.postgres_s * scale, 1),
        }


class Meter:
    """CPU time of this process and of the server processes of one database."""

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)

    async def of(self, work: Callable[[], Awaitable[None]]) -> Cost:
        """What `work` took."""
        before, started = self._postgres_s(), time.process_time()
        await work()
        python_s, after = time.process_time() - started, self._postgres_s()
        spent = sum(now - before.get(pid, 0.0) for pid, now in after.items())
        return Cost(python_s, spent)

    def _postgres_s(self) -> dict[int, float]:
        found = {}
        for (pid,) in self._connection.execute(_BACKENDS, (DATABASE,)).fetchall():
            times = psutil.Process(pid).cpu_times()
            found[pid] = times.user + times.system
        return found

    def close(self) -> None:
        self._connection.close()


async def measure(url: str, events: int, batch: int, at_once: int) -> dict[str, object]:
    """CPU milliseconds per 1,000 events of the intake and of the rollup."""
    slot_ids = ids_of(url, "slot", SLOTS)
    decisions = await log_decisions(url, slot_ids, round(events / (1 + CLICKED * (1 + ORDERED))))
    payloads = list(bodies(decisions, batch))
    postgres = Postgres(url, timeout_s=60, transaction_timeout_s=60)
    limits = load_event_settings()
    intake = EventIntake(PostgresEvents(postgres), limits.events, _no_slot, _no_brand)
    redis = RedisCache(NO_REDIS)
    publisher = Publisher(postgres, redis)
    settings = RollupSettings(settle_s=0, batch_events=limits.rollup.batch_events)
    rollup = PostgresRollup(postgres, publisher, settings)

    async def take() -> None:
        for start in range(0, len(payloads), at_once):
            await asyncio.gather(*(intake(body) for body in payloads[start : start + at_once]))

    async def count() -> None:
        while await rollup.advance():
            pass

    meter = Meter(url)
    taken = await meter.of(take)
    collector.calm(COLLECT_AFTER)  # as the rollup's replica does
    counted = await meter.of(count)
    meter.close()
    for part in (publisher, redis, postgres):
        await part.aclose()
    found = intake.accepted
    return {
        "events": found,
        "intake_ms_per_1000": taken.per_thousand(found),
        "rollup_ms_per_1000": counted.per_thousand(found),
    }


async def _no_slot(key: SlotKey) -> int:
    raise StoreUnavailable("these events are of logged decisions")


async def _no_brand(key: int | str) -> int | None:
    return None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000)
    parser.add_argument("--batch", type=int, default=100, help="events in a request")
    parser.add_argument("--at-once", type=int, default=16, help="requests under way")
    given = parser.parse_args()
    with scratch_database(DATABASE) as url:
        migrate(url)
        seed(url)
        ensure_simulated_catalogue(url, SLOTS, BRANDS)
        print(json.dumps(asyncio.run(measure(url, given.events, given.batch, given.at_once))))


if __name__ == "__main__":
    main()
