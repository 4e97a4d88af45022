"""Canned bundles by a candidate: what counts as scored, with the models played by a function."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from bidding.batch import ScoreBatch
from bidding.errors import NotFound, StoreUnavailable
from deployments import dry_run
from deployments.canned import BUNDLES, read_canned
from deployments.dry_run import DryRunBundle, DryRunner
from deployments.estimates import Estimator
from deployments.score_answer import Versions
from deployments.scorer import Prediction
from stores.busiest import Busiest
from tests.unit.test_scorer import World

CTR = "adbid-ctr"
BIDS = [
    {"bid_id": "a", "brand_id": 1, "pricing_model": "CPC", "amount": 1.0},
    {"bid_id": "b", "brand_id": 2, "pricing_model": "CPC", "amount": 0.5},
    {"bid_id": "c", "brand": "nobody", "pricing_model": "CPC", "amount": 0.5},
]


class Replica:
    """Scores by a version: `rates` makes the candidate's of the posterior's."""

    def __init__(self) -> None:
        self.lifts = np.array([2.0, 2.0, 2.0], np.float32)
        self.by = "7"
        self.fails = 0

    async def score_by(self, name: str, version: str | None, batch: ScoreBatch) -> Prediction:
        if version is None:
            return Prediction(batch.ctr, None, Versions("6", None))
        if self.fails > 0:
            self.fails -= 1
            raise StoreUnavailable("scoring: busy with a download")
        return Prediction(batch.ctr * self.lifts, None, Versions(self.by, None))


@pytest.fixture
def replica() -> Replica:
    return Replica()


async def busiest() -> Busiest:
    return Busiest((7,), (2, 1))


def run(
    replica: Replica,
    folder: Path,
    slot_id: int = 7,
    missing: frozenset[str] = frozenset(),
    bids: Sequence[Mapping[str, object]] = BIDS,
) -> DryRunBundle:
    bundles = folder / "bundles.json"
    request = {"slot_id": slot_id, "bids": bids}
    bundles.write_text(json.dumps({"bundles": [{"name": "one", "request": request}]}))
    world = World()
    world.missing = missing

    async def go() -> DryRunBundle:
        await world.rules.refresh()
        estimator = Estimator.from_configs()
        runner = DryRunner(world.rules, world.slots, estimator, replica.score_by, busiest, bundles)
        return (await runner.run(CTR, "7")).bundles[0]

    return asyncio.run(go())


def test_a_candidate_that_scores_gives_values_beside_the_champions(
    replica: Replica, tmp_path: Path
) -> None:
    found = run(replica, tmp_path)
    assert found.error is None
    assert found.after[:2] == pytest.approx([2 * value for value in found.before[:2]])
    assert found.after[2:] == [0.0]  # nobody's bid has a reason to be out


def test_bids_that_no_floor_would_let_in_still_show_their_order(
    replica: Replica, tmp_path: Path
) -> None:
    replica.lifts = np.array([0.1, 2.0, 2.0], np.float32)
    dear = [bid | {"min_vpi": 1_000.0} for bid in BIDS]
    found = run(replica, tmp_path, bids=dear)
    assert found.error is None
    assert found.before[0] > found.before[1] > 0
    assert 0 < found.after[0] < found.after[1]


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 0.0, 1e9])
def test_rates_that_are_none_are_refused(replica: Replica, tmp_path: Path, bad: float) -> None:
    replica.lifts[1] = bad
    assert run(replica, tmp_path).error


def test_a_candidate_that_did_not_score_has_not_passed(replica: Replica, tmp_path: Path) -> None:
    replica.fails = dry_run.ATTEMPTS
    assert run(replica, tmp_path).error == "degraded: scoring"


def test_a_cache_that_is_away_costs_no_candidate_its_chance(
    replica: Replica, tmp_path: Path
) -> None:
    assert run(replica, tmp_path, missing=frozenset({"redis"})).error is None


def test_a_download_that_takes_its_time_is_waited_for(replica: Replica, tmp_path: Path) -> None:
    replica.fails = dry_run.ATTEMPTS - 1
    assert run(replica, tmp_path).error is None


def test_another_version_than_the_candidate_does_not_count(
    replica: Replica, tmp_path: Path
) -> None:
    replica.by = "6"
    assert run(replica, tmp_path).error == "scored by version 6, not by 7"


def test_a_slot_that_is_not_there_is_an_error(replica: Replica, tmp_path: Path) -> None:
    assert run(replica, tmp_path, slot_id=8).error


def test_ranks_stand_for_the_busiest_of_this_catalogue_whatever_their_ids() -> None:
    canned = read_canned(BUNDLES, Busiest((901, 17), (44, 5, 300)))
    slots = [bundle.request["slot_id"] for bundle in canned]
    assert slots == [901, 17, 901, 17, 901, 17]
    assert {bid["brand_id"] for bid in canned[0].request["bids"]} == {44, 5, 300}
    assert not any("rank" in name for bundle in canned for name in bundle.request)


@pytest.mark.parametrize("busiest", [Busiest((), (1,)), Busiest((1,), ())])
def test_a_catalogue_without_slots_or_brands_proves_nothing(busiest: Busiest) -> None:
    with pytest.raises(NotFound, match="the catalogue has no"):
        read_canned(BUNDLES, busiest)
