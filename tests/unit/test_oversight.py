"""The overseer: what it records, what it takes back, and when it leaves people alone."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bidding.errors import StoreUnavailable
from bidding.watch import Failures, LiveSums
from deployments.oversight import Oversight, step
from stores.audit import Author
from stores.live_quality import Span
from stores.memory_live_quality import MemoryLiveQuality
from stores.memory_model_changes import MemoryModelChanges
from stores.model_registry import CHAMPION, CTR_MODEL, MemoryRegistry, ModelVersion
from stores.promotion import ROLLED_BACK, Promotions
from stores.promotion_settings import WatchSettings

ANN = Author("Ann (adb_1)", "better on mobile")
START = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Sums(MemoryLiveQuality):
    """Live sums by version, and failures before and after a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.by_version = {"1": LiveSums(10_000, 100.0, 99), "2": LiveSums(10_000, 101.0, 99)}
        self.failed_after = START
        self.failed = Failures(1_000, 0)

    async def served(self, name: str, version: str, span: Span) -> LiveSums:
        return self.by_version.get(version, LiveSums())

    async def failures(self, span: Span) -> Failures:
        return self.failed if span.since >= self.failed_after else Failures(1_000, 0)


class World:
    """An installation with version 1 as its champion of old, version 2 just promoted."""

    def __init__(self) -> None:
        self.now = START - timedelta(days=1)
        self.registry = MemoryRegistry()
        for number in ("1", "2", "3"):
            self.registry.add(ModelVersion(CTR_MODEL, number))
        self.promotions = Promotions(self.registry, MemoryModelChanges(lambda: self.now))
        self.quality = Sums()
        self.refused: list[dict[str, str]] = [{}, {}]
        self.oversight = Oversight(
            self.promotions, self.quality, self.reports, WatchSettings(), lambda: self.now
        )

    async def reports(self) -> list[dict[str, Any]]:
        return [{"models": [{"name": CTR_MODEL, "refused": each}]} for each in self.refused]

    async def champion(self) -> str | None:
        return await self.registry.resolve(CTR_MODEL, CHAMPION)

    async def pass_minutes(self, minutes: float = 5) -> None:
        self.now += timedelta(minutes=minutes)
        await step(CTR_MODEL, self.oversight)

    async def last_change(self) -> tuple[str, str, str | None]:
        change = (await self.promotions.changes.fetch(CTR_MODEL))[0]
        return change.move.kind, change.author.actor, change.author.reason


@pytest.fixture
async def world() -> World:
    found = World()
    await found.promotions.promote(CTR_MODEL, "1", ANN)
    found.now = START
    await found.promotions.promote(CTR_MODEL, "2", ANN)
    return found


async def test_a_good_version_stays(world: World) -> None:
    for _ in range(8):
        await world.pass_minutes()
    assert await world.champion() == "2"
    assert (await world.last_change())[0] == "promote"


async def test_a_version_that_is_far_off_goes_back_and_the_history_says_why(world: World) -> None:
    world.quality.by_version["2"] = LiveSums(10_000, 300.0, 99)
    await world.pass_minutes()
    assert await world.champion() == "1"
    kind, actor, reason = await world.last_change()
    assert (kind, actor) == ("automatic_rollback", "overseer")
    assert "predicted / actual is 3.03 over 10000 impressions" in str(reason)
    tags = (await world.registry.versions(CTR_MODEL))[1].tags
    assert tags[ROLLED_BACK] == reason


async def test_clicks_get_time_to_settle(world: World) -> None:
    world.quality.by_version["2"] = LiveSums(10_000, 300.0, 99)
    await world.pass_minutes(0.9)
    assert await world.champion() == "2"


async def test_a_version_that_does_not_answer_goes_back(world: World) -> None:
    world.quality.failed = Failures(1_000, 200)
    await world.pass_minutes(0.5)
    assert await world.champion() == "1"
    assert "200 of 1000 bundles" in str((await world.last_change())[2])


async def test_a_version_that_every_replica_refuses_goes_back(world: World) -> None:
    world.refused = [{"2": "golden rows"}, {}]
    await world.pass_minutes(0.5)
    assert await world.champion() == "2"  # one replica still tries
    world.refused = [{"2": "golden rows"}, {"2": "golden rows"}]
    await world.pass_minutes(0.5)
    assert await world.champion() == "1"
    assert "golden rows" in str((await world.last_change())[2])


async def test_after_the_window_nobody_watches(world: World) -> None:
    world.now += timedelta(hours=1)
    world.quality.by_version["2"] = LiveSums(10_000, 300.0, 99)
    await world.pass_minutes()
    assert await world.champion() == "2"


async def test_a_version_that_a_person_promotes_again_is_left_alone(world: World) -> None:
    world.quality.by_version["2"] = LiveSums(10_000, 300.0, 99)
    await world.pass_minutes()
    await world.promotions.promote(CTR_MODEL, "2", ANN)
    for _ in range(3):
        await world.pass_minutes()
    assert await world.champion() == "2"


async def test_the_first_champion_has_nowhere_to_go_back_to(world: World) -> None:
    fresh = World()
    await fresh.promotions.promote(CTR_MODEL, "1", ANN)
    fresh.quality.by_version["1"] = LiveSums(10_000, 900.0, 99)
    await fresh.pass_minutes()
    assert await fresh.champion() == "1"


async def test_a_move_in_mlflow_is_recorded_and_watched(world: World) -> None:
    await world.registry.set_alias(CTR_MODEL, CHAMPION, "3")
    await world.pass_minutes(0.1)
    assert (await world.last_change())[:2] == ("promote", "mlflow")
    world.quality.by_version["3"] = LiveSums(10_000, 20.0, 99)
    await world.pass_minutes()
    assert await world.champion() == "2"


async def test_stores_that_are_away_are_waited_for(world: World) -> None:
    world.registry.down = True
    await world.pass_minutes()
    with pytest.raises(StoreUnavailable):
        await world.champion()
    world.registry.down = False
    await world.registry.set_alias(CTR_MODEL, CHAMPION, "3")
    await world.pass_minutes()
    assert (await world.last_change())[1] == "mlflow"
