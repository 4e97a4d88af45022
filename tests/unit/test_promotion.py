"""Moving the champion: who may go where, and what the history says."""

from contextlib import suppress

import pytest

from bidding.errors import Conflict, NotFound, StoreUnavailable
from stores.audit import Author
from stores.memory_model_changes import MemoryModelChanges
from stores.model_registry import CHALLENGER, CHAMPION, CTR_MODEL, MemoryRegistry, ModelVersion
from stores.promotion import ROLLED_BACK, Promotions

ANN = Author("Ann (adb_1)", "better on mobile")
OVERSEER = Author("overseer", "far off")


@pytest.fixture
def promotions() -> Promotions:
    registry = MemoryRegistry()
    for number in range(1, 5):
        registry.add(ModelVersion(CTR_MODEL, str(number)))
    return Promotions(registry, MemoryModelChanges())


async def champion(promotions: Promotions) -> str | None:
    return await promotions.registry.resolve(CTR_MODEL, CHAMPION)


async def promote_all(promotions: Promotions, *versions: str) -> None:
    for version in versions:
        await promotions.promote(CTR_MODEL, version, ANN)


async def test_a_promotion_moves_the_alias_and_is_remembered(promotions: Promotions) -> None:
    await promote_all(promotions, "1", "2")
    assert await champion(promotions) == "2"
    newest = (await promotions.changes.fetch(CTR_MODEL))[0]
    assert (newest.move.from_version, newest.move.to_version) == ("1", "2")
    assert (newest.move.kind, newest.author) == ("promote", ANN)


async def test_what_is_not_there_is_not_promoted(promotions: Promotions) -> None:
    with pytest.raises(NotFound, match="no version 9"):
        await promotions.promote(CTR_MODEL, "9", ANN)
    with pytest.raises(NotFound, match="adbid-ctr, adbid-cvr"):
        await promotions.promote("fraud", "1", ANN)


async def test_the_champion_is_not_promoted_again(promotions: Promotions) -> None:
    await promote_all(promotions, "1")
    with pytest.raises(Conflict, match="already"):
        await promote_all(promotions, "1")


@pytest.mark.parametrize(
    ("tags", "said"),
    [
        ({"gate": "failed", "gate_reasons": '["entropy: worse"]'}, "entropy: worse"),
        ({"gate": "pending"}, "not judged adbid-ctr 2 to the end"),
    ],
    ids=["failed", "not done with"],
)
async def test_a_version_that_the_gate_did_not_pass_needs_force(
    promotions: Promotions, tags: dict[str, str], said: str
) -> None:
    for name, value in tags.items():
        await promotions.registry.tag(CTR_MODEL, "2", name, value)
    with pytest.raises(Conflict, match=said):
        await promote_all(promotions, "2")
    await promotions.promote(CTR_MODEL, "2", ANN, force=True)
    assert await champion(promotions) == "2"


async def test_a_promotion_over_another_champion_than_expected_is_none(
    promotions: Promotions,
) -> None:
    await promotions.promote(CTR_MODEL, "1", ANN, expected=None)
    for expected in (None, "3"):
        with pytest.raises(Conflict, match="the champion moved meanwhile"):
            await promotions.promote(CTR_MODEL, "2", ANN, expected=expected)
    assert await champion(promotions) == "1"
    await promotions.promote(CTR_MODEL, "2", ANN, expected="1")
    assert await champion(promotions) == "2"


async def test_rollbacks_go_back_step_by_step_to_the_first(promotions: Promotions) -> None:
    await promote_all(promotions, "1", "2", "3")
    assert (await promotions.roll_back(CTR_MODEL, ANN)).move.to_version == "2"
    assert (await promotions.roll_back(CTR_MODEL, ANN)).move.to_version == "1"
    with pytest.raises(Conflict, match="nothing to go back to"):
        await promotions.roll_back(CTR_MODEL, ANN)


async def test_a_rollback_leaves_out_versions_that_are_gone(promotions: Promotions) -> None:
    await promote_all(promotions, "1", "2", "3")
    registry = promotions.registry
    assert isinstance(registry, MemoryRegistry)
    registry.models[CTR_MODEL] = [v for v in registry.models[CTR_MODEL] if v.version != "2"]
    assert (await promotions.roll_back(CTR_MODEL, ANN)).move.to_version == "1"


async def test_moves_made_elsewhere_are_noticed_once(promotions: Promotions) -> None:
    await promote_all(promotions, "1")
    await promotions.registry.set_alias(CTR_MODEL, CHAMPION, "3")
    await promotions.registry.set_alias(CTR_MODEL, CHALLENGER, "4")
    noticed = await promotions.notice(CTR_MODEL)
    assert [(c.move.alias, c.move.to_version, c.author.actor) for c in noticed] == [
        (CHAMPION, "3", "mlflow"),
        (CHALLENGER, "4", "mlflow"),
    ]
    assert await promotions.notice(CTR_MODEL) == []
    assert (await promotions.roll_back(CTR_MODEL, ANN)).move.to_version == "1"
    assert await promotions.notice(CTR_MODEL) == []


class LateRegistry(MemoryRegistry):
    """Moves aliases and does not answer in time; where `gone`, not to the question after it
    either."""

    def __init__(self, *, gone: bool) -> None:
        super().__init__()
        self.late = False
        self.gone = gone

    async def set_alias(self, name: str, alias: str, version: str) -> None:
        await super().set_alias(name, alias, version)
        if self.late:
            self.down = self.gone
            raise StoreUnavailable("MLflow does not answer: ReadTimeout")


@pytest.mark.parametrize("gone", [False, True])
async def test_a_rollback_that_mlflow_answers_late_is_not_undone_by_the_next(gone: bool) -> None:
    registry = LateRegistry(gone=gone)
    for version in ("1", "2"):
        registry.add(ModelVersion(CTR_MODEL, version))
    promotions = Promotions(registry, MemoryModelChanges())
    await promote_all(promotions, "1", "2")
    registry.late = True
    with suppress(StoreUnavailable):
        await promotions.roll_back(CTR_MODEL, ANN)
    registry.late = registry.down = False
    assert await champion(promotions) == "1"
    noticed = await promotions.notice(CTR_MODEL)
    assert [change.move.kind for change in noticed] == ["rollback"] * gone
    with pytest.raises(Conflict, match="nothing to go back to"):
        await promotions.roll_back(CTR_MODEL, ANN)
    assert await champion(promotions) == "1"


async def test_a_challenger_that_was_one_before_is_no_rollback(promotions: Promotions) -> None:
    for version in ("1", "2", "1"):
        await promotions.registry.set_alias(CTR_MODEL, CHALLENGER, version)
        (noticed,) = await promotions.notice(CTR_MODEL)
        assert noticed.move.kind == "promote"


async def test_an_automatic_rollback_goes_back_tags_and_says_why(promotions: Promotions) -> None:
    await promote_all(promotions, "1", "2")
    promoted = (await promotions.changes.fetch(CTR_MODEL))[0]
    change = await promotions.take_back(promoted, OVERSEER)
    assert change is not None
    assert (change.move.kind, change.move.to_version) == ("automatic_rollback", "1")
    assert await champion(promotions) == "1"
    bad = (await promotions.versions(CTR_MODEL))[2]
    assert (bad.version, bad.tags[ROLLED_BACK]) == ("2", "far off")


async def test_an_automatic_rollback_gives_way_to_a_person(promotions: Promotions) -> None:
    await promote_all(promotions, "1", "2")
    promoted = (await promotions.changes.fetch(CTR_MODEL))[0]
    await promote_all(promotions, "3")
    assert await promotions.take_back(promoted, OVERSEER) is None
    await promotions.registry.set_alias(CTR_MODEL, CHAMPION, "4")  # not even noticed yet
    newest = (await promotions.changes.fetch(CTR_MODEL))[0]
    assert await promotions.take_back(newest, OVERSEER) is None
    assert await champion(promotions) == "4"


async def test_without_mlflow_nothing_is_remembered(promotions: Promotions) -> None:
    registry = promotions.registry
    assert isinstance(registry, MemoryRegistry)
    registry.down = True
    with pytest.raises(StoreUnavailable):
        await promote_all(promotions, "1")
    assert await promotions.changes.fetch(CTR_MODEL) == []
