"""A replica's slot: what fails keeps the old model, and is never the end of following."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from bidding.errors import ModelRefused, StoreUnavailable
from deployments import model_slot
from deployments.model_slot import LONGEST_PAUSE_S, RETRY_REFUSED_S, ModelSlot
from stores.model_fetch import ModelFiles
from stores.model_registry import CHAMPION, CTR_MODEL, MemoryRegistry, ModelVersion
from stores.redis_blobs import MemoryBlobs


class Files(ModelFiles):
    """Files of every version, unless something is wrong with one."""

    def __init__(self) -> None:
        super().__init__(Path("/nowhere"), MemoryBlobs(), {})
        self.wrong: dict[str, Exception] = {}
        self.kept: list[str] = []

    async def fetch(self, name: str, version: str) -> Path:
        if version in self.wrong:
            raise self.wrong[version]
        return Path(version)

    async def keep_as_last_good(self, name: str, version: str) -> None:
        self.kept.append(version)

    async def last_good(self, name: str) -> tuple[str, Path] | None:
        raise self.wrong["last good"]


class Loaded:
    """Stands for a model that has been loaded."""

    def __init__(self, version: str) -> None:
        self.version = version


class World:
    """A slot that serves version 1, and a version 2 that is champion now."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1_000.0
        self.registry = MemoryRegistry()
        for number in ("1", "2"):
            self.registry.add(ModelVersion(CTR_MODEL, number))
        self.registry.aliases_at[CTR_MODEL, CHAMPION] = "1"
        self.files = Files()

        def load(_: ModelSlot, __: Path, version: str) -> Loaded:
            return Loaded(version)

        monkeypatch.setattr(ModelSlot, "_load", load)
        self.slot = ModelSlot(
            CTR_MODEL, self.registry, self.files, contract_hash="", clock=lambda: self.now
        )

    def move(self) -> None:
        self.registry.aliases_at[CTR_MODEL, CHAMPION] = "2"

    async def tag(self) -> str | None:
        return (await self.registry.versions(CTR_MODEL))[0].tags.get("serving")


@pytest.fixture
async def world(monkeypatch: pytest.MonkeyPatch) -> World:
    found = World(monkeypatch)
    await found.slot.start()
    found.move()
    return found


@pytest.mark.parametrize("error", [OSError(28, "full"), ValueError("bad JSON"), MemoryError()])
async def test_following_outlives_whatever_happens(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(model_slot, "FIRST_PAUSE_S", 0.0)
    world.files.wrong["2"] = error
    following = asyncio.create_task(world.slot.follow(0.01))
    await until(lambda: world.slot.report.reloads["failed"] >= 2)
    assert not following.done()
    assert world.slot.report.version == "1"
    assert world.slot.report.refused == {}
    del world.files.wrong["2"]
    await until(lambda: world.slot.report.version == "2")
    following.cancel()


async def until(true: Callable[[], bool]) -> None:
    for _ in range(6_000):
        if true():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError


async def test_what_can_not_be_had_now_is_not_refused_and_is_tried_again(world: World) -> None:
    world.files.wrong["2"] = StoreUnavailable("MLflow answered 503")
    for _ in range(200):
        await world.slot.follow_once()
        world.now += 1
    assert world.slot.report.refused == {}
    assert world.slot.report.registry_reachable
    assert await world.tag() is None
    assert 5 < world.slot.report.reloads["failed"] < 12  # with growing pauses
    del world.files.wrong["2"]
    world.now += LONGEST_PAUSE_S
    await world.slot.follow_once()
    assert world.slot.report.version == "2"


async def test_a_version_that_is_mended_loses_its_refusal(world: World) -> None:
    world.files.wrong["2"] = ModelRefused("golden rows")
    await world.slot.follow_once()
    assert await world.tag() == "refused: golden rows"
    del world.files.wrong["2"]
    world.now += RETRY_REFUSED_S
    await world.slot.follow_once()
    assert (world.slot.report.version, world.slot.report.refused) == ("2", {})
    assert await world.tag() == "accepted"


async def test_a_version_that_the_alias_left_is_no_refusal_any_more(world: World) -> None:
    world.files.wrong["2"] = ModelRefused("golden rows")
    await world.slot.follow_once()
    assert world.slot.report.refused == {"2": "golden rows"}
    world.registry.aliases_at[CTR_MODEL, CHAMPION] = "1"
    await world.slot.follow_once()
    assert (world.slot.report.version, world.slot.report.refused) == ("1", {})


async def test_a_refused_version_that_is_promoted_again_is_told_of_again(world: World) -> None:
    world.files.wrong["2"] = ModelRefused("golden rows")
    for version in ("2", "1", "2"):
        world.registry.aliases_at[CTR_MODEL, CHAMPION] = version
        await world.slot.follow_once()
    assert (world.slot.report.version, world.slot.report.refused) == ("1", {"2": "golden rows"})
    assert world.slot.report.reloads["refused"] == 1


async def test_a_version_that_was_taken_back_while_it_was_loaded_never_serves(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: ModelSlot, __: Path, version: str) -> Loaded:
        world.registry.aliases_at[CTR_MODEL, CHAMPION] = "1"
        return Loaded(version)

    monkeypatch.setattr(ModelSlot, "_load", load)
    await world.slot.follow_once()
    assert world.slot.report.version == "1"
    assert world.files.kept == ["1"]
    assert await world.tag() is None


async def test_a_registry_that_went_away_while_a_version_was_loaded_stops_no_swap(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: ModelSlot, __: Path, version: str) -> Loaded:
        world.registry.down = True
        return Loaded(version)

    monkeypatch.setattr(ModelSlot, "_load", load)
    await world.slot.follow_once()
    assert world.slot.report.version == "2"


async def test_what_serves_is_kept_now_and_then_even_with_the_registry_down(world: World) -> None:
    assert world.files.kept == ["1"]
    world.registry.down = True
    following = asyncio.create_task(world.slot.follow(0.005))
    await asyncio.sleep(0.05)
    assert world.files.kept == ["1"]
    world.now += 61
    await asyncio.sleep(0.05)
    following.cancel()
    assert world.files.kept == ["1", "1"]


@pytest.mark.parametrize("error", [ModelRefused("a bomb"), EOFError(), OSError(28, "full")])
async def test_a_bad_last_good_never_fails_a_start(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    world = World(monkeypatch)
    world.registry.down = True
    world.files.wrong["last good"] = error
    await world.slot.start()
    assert world.slot.current is None
