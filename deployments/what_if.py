"""What-if: the last logged decisions under a changed strategy, worked out beside the service."""

import asyncio
import os
import pickle
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from bidding.bundle import RuleBook
from bidding.errors import NotFound, StoreUnavailable
from bidding.what_if import Comparison
from deployments.what_if_task import Task
from stores.bundle_log import Share, count_bundles
from stores.postgres import Postgres
from stores.settings import PROJECT_ROOT

MOST_PROCESSES = 4
# Below this, starting another process costs more than it saves.
DECISIONS_A_PROCESS = 1_000
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A strategy as it might be; `None` leaves the priority as it is."""

    strategy_id: int
    vpi_multiplier: float
    priority: int | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The comparison, and how long it took."""

    comparison: Comparison
    took_ms: float


class WhatIf:
    """One question at a time, each by as many processes as there are cores."""

    def __init__(
        self, database_url: str, postgres: Postgres, rules: Callable[[], Awaitable[RuleBook]]
    ) -> None:
        self._database_url = database_url
        self._postgres = postgres
        self._rules = rules
        self._one_at_a_time = asyncio.Lock()

    async def ask(self, proposal: Proposal, decisions: int) -> Answer:
        """Compare the last `decisions`. Raises `NotFound` and `StoreUnavailable`."""
        started = time.perf_counter()
        before = await self._rules()
        after = proposed(before, proposal)
        affected = frozenset(
            brand.brand_id
            for brand in before.brands.values()
            if brand.strategy_id == proposal.strategy_id
        )
        until = datetime.now(UTC)
        logged = await count_bundles(self._postgres, until, decisions)
        count = processes(logged, os.cpu_count() or 1)
        tasks = [
            Task(self._database_url, before, after, affected, share)
            for share in [Share(until, logged, number, count) for number in range(count)]
        ]
        async with self._one_at_a_time:
            found = await _all(tasks)
        return Answer(found, (time.perf_counter() - started) * 1000)


def proposed(book: RuleBook, proposal: Proposal) -> RuleBook:
    """The rules with the strategy as proposed. Raises `NotFound`."""
    current = book.strategies.get(proposal.strategy_id)
    if current is None:
        raise NotFound(f"there is no strategy {proposal.strategy_id}")
    priority = current.priority if proposal.priority is None else proposal.priority
    changed = replace(current, vpi_multiplier=proposal.vpi_multiplier, priority=priority)
    return replace(book, strategies={**book.strategies, proposal.strategy_id: changed})


def processes(decisions: int, cores: int) -> int:
    """How many share the work; none where there is none."""
    return min(cores, MOST_PROCESSES, -(-decisions // DECISIONS_A_PROCESS))


async def _all(tasks: list[Task]) -> Comparison:
    try:
        async with asyncio.timeout(TIMEOUT_S), asyncio.TaskGroup() as group:
            shares = [group.create_task(_in_a_process(task)) for task in tasks]
    except TimeoutError as error:
        raise StoreUnavailable(f"no answer within {TIMEOUT_S:.0f} s; ask for fewer") from error
    except ExceptionGroup as errors:
        raise StoreUnavailable("the decision log could not be read") from errors
    found = Comparison()
    for share in shares:
        found.include(share.result())
    return found


async def _in_a_process(task: Task) -> Comparison:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "deployments.what_if_worker",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=PROJECT_ROOT,
    )
    try:
        answer, _ = await process.communicate(pickle.dumps(task))
    finally:
        if process.returncode is None:
            process.kill()
    if process.returncode:
        raise StoreUnavailable(f"a what-if process ended with {process.returncode}")
    comparison: Comparison = pickle.loads(answer)  # noqa: S301 (from our own child)
    return comparison
