"""The history of model aliases and its twin."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import psycopg
import pytest

from stores.audit import Author
from stores.memory_model_changes import MemoryModelChanges
from stores.model_changes import (
    Kind,
    ModelChange,
    ModelChanges,
    Move,
    PostgresModelChanges,
    champion_stack,
)
from stores.postgres import Postgres

ANN = Author("Ann (adb_1)", "better on mobile")


@pytest.fixture(params=["postgres", "memory"])
async def changes(request: pytest.FixtureRequest, postgres_url: str) -> AsyncIterator[ModelChanges]:
    if request.param == "memory":
        yield MemoryModelChanges()
        return
    with psycopg.connect(postgres_url) as connection:
        connection.execute("TRUNCATE model_change")
    postgres = Postgres(postgres_url, timeout_s=5)
    yield PostgresModelChanges(postgres)
    await postgres.aclose()


def a_move(
    to: str | None, *, since: str | None = None, alias: str = "champion", kind: Kind = "promote"
) -> Move:
    return Move("adbid-ctr", alias, since, to, kind)


async def record(changes: ModelChanges, *moves: Move) -> None:
    for move in moves:
        async with changes.locked(move.name) as log:
            await log.record(move, ANN)


async def test_changes_are_read_newest_first_by_model_and_alias(changes: ModelChanges) -> None:
    other = Move("adbid-cvr", "champion", None, "1", "promote")
    await record(changes, a_move("1"), a_move("2", alias="challenger"), other, a_move("3"))
    found = await changes.fetch("adbid-ctr")
    assert [change.move.to_version for change in found] == ["3", "2", "1"]
    assert [c.move.to_version for c in await changes.fetch("adbid-ctr", "champion")] == ["3", "1"]
    assert [c.move.to_version for c in await changes.fetch("adbid-ctr", limit=1)] == ["3"]
    assert found[0].author == ANN
    assert abs((found[0].at - datetime.now(UTC)).total_seconds()) < 60


async def test_an_error_inside_the_lock_takes_the_record_back(changes: ModelChanges) -> None:
    async def fail() -> None:
        async with changes.locked("adbid-ctr") as log:
            await log.record(a_move("1"), ANN)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await changes.fetch("adbid-ctr") == []


async def test_the_lock_lets_one_in_at_a_time(changes: ModelChanges) -> None:
    inside = asyncio.Event()
    seen: list[int] = []

    async def first() -> None:
        async with changes.locked("adbid-ctr") as log:
            inside.set()
            await asyncio.sleep(0.2)
            await log.record(a_move("1"), ANN)

    async def second() -> None:
        await inside.wait()
        async with changes.locked("adbid-ctr") as log:
            seen.append(len(await log.fetch("champion")))

    await asyncio.gather(first(), second())
    assert seen == [1]


def the_stack(*moves: Move) -> list[str]:
    newest_first = [ModelChange(datetime.now(UTC), move, ANN) for move in reversed(moves)]
    return champion_stack(newest_first)


def test_a_rollback_goes_down_the_stack_and_never_up() -> None:
    promoted = (a_move("1"), a_move("2", since="1"), a_move("3", since="2"))
    assert the_stack(*promoted) == ["1", "2", "3"]
    back = a_move("2", since="3", kind="rollback")
    assert the_stack(*promoted, back) == ["1", "2"]
    automatic = a_move("1", since="2", kind="automatic_rollback")
    assert the_stack(*promoted, back, automatic) == ["1"]


def test_a_history_that_starts_late_still_knows_what_was_before() -> None:
    assert the_stack(a_move("5", since="4")) == ["4", "5"]
