"""What people see of the models costs MLflow little, and is new where it was changed."""

import asyncio
from typing import Any

import pytest

from deployments.model_shapes import version_of
from deployments.model_view import KEPT_S, ModelView
from stores.audit import Author
from stores.memory_live_quality import MemoryLiveQuality
from stores.memory_model_changes import MemoryModelChanges
from stores.model_registry import CHAMPION, CTR_MODEL, MemoryRegistry, ModelVersion
from stores.promotion import GATE, Promotions


class Counted(MemoryRegistry):
    """Counts how often it is asked for the CTR model's versions."""

    asked = 0

    async def versions(self, name: str) -> list[ModelVersion]:
        self.asked += name == CTR_MODEL
        return await super().versions(name)


class Looked:
    """A view over one registered version, with a clock that stands still."""

    def __init__(self) -> None:
        self.now = 100.0
        self.registry = Counted()
        self.registry.add(ModelVersion(CTR_MODEL, "1"))
        self.promotions = Promotions(self.registry, MemoryModelChanges())
        quality = MemoryLiveQuality()
        self.view = ModelView(
            self.promotions, quality, _reports, days=7, monotonic=lambda: self.now
        )

    async def aliases(self) -> list[str]:
        model = (await self.view.fetch()).models[0]
        return list(model.versions[0].aliases)

    async def move(self) -> None:
        await self.registry.set_alias(CTR_MODEL, CHAMPION, "1")


async def _reports() -> list[dict[str, Any]]:
    return []


async def test_who_looks_at_the_same_time_shares_an_answer() -> None:
    looked = Looked()
    for _ in range(2):
        assert await asyncio.gather(*(looked.aliases() for _ in range(5))) == [[]] * 5
    assert looked.registry.asked == 1


async def test_what_was_asked_before_a_move_is_not_kept_after_it() -> None:
    looked = Looked()
    before = asyncio.create_task(looked.aliases())
    await asyncio.sleep(0)
    await looked.move()
    looked.view.forget()
    await before
    assert await looked.aliases() == [CHAMPION]


async def test_what_was_moved_in_mlflow_is_seen_two_seconds_later() -> None:
    looked = Looked()
    await looked.aliases()
    await looked.move()
    looked.now += KEPT_S
    assert await looked.aliases() == [CHAMPION]


async def test_what_was_moved_here_is_seen_at_once() -> None:
    looked = Looked()
    await looked.aliases()
    await looked.move()
    looked.view.forget()
    assert await looked.aliases() == [CHAMPION]


async def test_that_mlflow_does_not_answer_is_not_kept() -> None:
    looked = Looked()
    looked.registry.down = True
    assert (await looked.view.fetch()).registry_reachable is False
    looked.registry.down = False
    assert (await looked.view.fetch()).registry_reachable is True


ANN = Author("Ann (adb_1)", "better on mobile")


async def go(promotions: Promotions, step: str) -> None:
    """To a version; "back" as a person does it, "itself" as the overseer does."""
    if step == "back":
        await promotions.roll_back(CTR_MODEL, ANN)
    elif step == "itself":
        newest = (await promotions.changes.fetch(CTR_MODEL))[0]
        await promotions.take_back(newest, Author("overseer"))
    else:
        await promotions.promote(CTR_MODEL, step, ANN)


@pytest.mark.parametrize(
    ("steps", "previous"),
    [
        ("", None),
        ("1", None),
        ("1 2", "1"),
        ("1 2 3 back", "1"),
        ("1 2 itself", None),
        ("1 2 3 back 4", "2"),
    ],
)
async def test_the_previous_champion_is_where_a_rollback_goes(
    steps: str, previous: str | None
) -> None:
    looked = Looked()
    for number in "234":
        looked.registry.add(ModelVersion(CTR_MODEL, number))
    for step in steps.split():
        await go(looked.promotions, step)
    assert (await looked.view.fetch()).models[0].previous_champion == previous
    if previous is not None:
        change = await looked.promotions.roll_back(CTR_MODEL, ANN)
        assert change.move.to_version == previous


@pytest.mark.parametrize(
    ("tag", "shown"),
    [("passed", "passed"), ("failed", "failed"), ("pending", "pending"), ("odd", "none")],
)
def test_a_version_shows_what_the_gate_said_of_it(tag: str, shown: str) -> None:
    version = ModelVersion(CTR_MODEL, "1", tags={GATE: tag})
    assert version_of(version, {}).gate.verdict == shown
    assert version_of(ModelVersion(CTR_MODEL, "1"), {}).gate.verdict == "none"
