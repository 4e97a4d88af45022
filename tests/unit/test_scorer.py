"""The request path in process: no Ray, no stores, the models played by a function."""

import asyncio
import json
import time
from typing import Any

import numpy as np
import pytest

from bidding.batch import ScoreBatch
from bidding.bundle import Brand, RuleBook, Strategy
from bidding.errors import BrokenRuleBook, StoreUnavailable, UnknownSlot
from bidding.explain import FactorGroup
from deployments.estimates import Estimator
from deployments.rules_view import RulesFeed
from deployments.score_answer import Versions
from deployments.scorer import NOTHING_EXPLAINED, Explained, Prediction, Scorer
from deployments.slot_source import SlotSource, default_slot
from stores.feature_types import Counts, RulesFetched, RulesSnapshot, SlotKey, SlotsFetched
from tests.stopwatch import Stopwatch

BALANCED = Strategy(1, "Balanced", 1.0, 0)
BRANDS = {number: Brand(number, 1) for number in (1, 2, 3)}
SNAPSHOT = RulesSnapshot(
    rules=RuleBook({1: BALANCED}, BRANDS, version=1),
    brand_ids={"acme": 3},
    brand_counts={3: Counts(10_000, 500, 50)},
    priors={},
)
NEVER_S = 3_600.0


class World:
    """Stores and models that a test can break."""

    def __init__(self) -> None:
        self.stores_answer_s = 0.0
        self.models_answer_s = 0.0
        self.explaining: list[str] = []
        self.missing: frozenset[str] = frozenset()
        self.away: tuple[str, ...] = ()
        self.batches: list[ScoreBatch] = []
        self.lift = 2.0
        self.rules = RulesFeed(self.fetch_rules)
        self.slots = SlotSource(self.fetch_slots)
        self.scorer = Scorer(
            self.rules,
            self.slots,
            self.predict,
            self.explain,
            Estimator.from_configs(),
            away=lambda: self.away,
        )

    async def fetch_rules(self) -> RulesFetched:
        return RulesFetched(SNAPSHOT)

    async def fetch_slots(
        self, keys: list[SlotKey], deadline: float, at_least: int
    ) -> SlotsFetched:
        await asyncio.sleep(self.stores_answer_s)
        known = {key: default_slot(key) for key in keys if key == 7}
        unknown = frozenset(keys) - frozenset(known)
        return SlotsFetched(known, unknown=unknown, missing=self.missing)

    async def predict(self, batch: ScoreBatch) -> Prediction:
        await asyncio.sleep(self.models_answer_s)
        self.batches.append(batch)
        return Prediction(batch.ctr * self.lift, None, Versions("4", None))

    async def explain(self, batch: ScoreBatch) -> Explained:
        if not self.explaining:
            raise StoreUnavailable("the explaining replica died")
        version = self.explaining.pop(0)
        moved = {group.name.lower(): np.full(len(batch), 0.1) for group in FactorGroup}
        return Explained({"ctr": moved}, Versions(version, None))

    async def ask(self, **changes: Any) -> dict[str, Any]:
        bid = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
        body = {"slot_id": 7, "bids": [bid]} | changes
        answer = await self.scorer(json.dumps(body).encode(), [], time.monotonic())
        return dict(json.loads(answer))


@pytest.fixture
async def world() -> World:
    found = World()
    await found.rules.refresh()
    return found


async def test_value_is_amount_times_rate_times_quality(world: World) -> None:
    answer = await world.ask()
    [result] = answer["results"]
    assert result["quality_factor"] == pytest.approx(2.0, rel=1e-5)
    assert result["vpi"] == pytest.approx(0.5 * result["ctr"] * result["quality_factor"])
    assert answer["models"] == {"ctr": "4", "cvr": None}
    assert answer["degraded"] == []
    assert answer["winner"]["bid_id"] == "b1"


async def test_ranked_bids_come_first_and_every_loser_has_a_reason(world: World) -> None:
    bids = [
        {"bid_id": "unknown", "brand": "nobody", "pricing_model": "CPC", "amount": 9},
        {"bid_id": "low", "brand_id": 1, "pricing_model": "CPM", "amount": 1},
        {"bid_id": "high", "brand": "acme", "pricing_model": "CPM", "amount": 2},
    ]
    results = (await world.ask(bids=bids))["results"]
    found = [(r["bid_id"], r["rank"], r["reason"], r["reason_code"]) for r in results]
    assert found == [
        ("high", 1, None, 0),
        ("low", 2, "OUTBID", 100),
        ("unknown", None, "UNKNOWN_BRAND", 1),
    ]


async def test_a_slot_that_is_nowhere_is_refused(world: World) -> None:
    with pytest.raises(UnknownSlot):
        await world.ask(slot_id=8)


async def test_a_late_model_costs_quality_but_not_the_answer(world: World) -> None:
    world.models_answer_s = NEVER_S
    watch = Stopwatch()
    answer = await world.ask(tmax_ms=50)
    assert watch.took_s() < 1.0
    assert answer["degraded"] == ["scoring"]
    assert answer["models"] == {"ctr": None, "cvr": None}
    assert answer["results"][0]["quality_factor"] == 1.0


async def test_a_late_store_is_replaced_by_what_was_last_known(world: World) -> None:
    await world.ask()
    world.stores_answer_s = NEVER_S
    world.slots.all_changed()
    answer = await world.ask(tmax_ms=50)
    assert answer["degraded"] == ["features"]
    assert answer["winner"]["bid_id"] == "b1"


async def test_a_slot_is_read_once_while_it_is_fresh(world: World) -> None:
    await world.ask()
    world.stores_answer_s = NEVER_S
    assert (await world.ask())["degraded"] == []


async def test_without_any_rules_every_brand_is_unknown_and_the_answer_says_why() -> None:
    answer = await World().ask()
    assert [result["reason"] for result in answer["results"]] == ["UNKNOWN_BRAND"]
    assert answer["degraded"] == ["rules"]
    assert answer["winner"] is None


async def test_recalled_rules_decide_until_a_store_tells_others() -> None:
    world = World()
    world.rules.recall(SNAPSHOT)
    recalled = await world.ask()
    assert recalled["winner"]["bid_id"] == "b1"
    assert recalled["degraded"] == ["rules"]
    assert world.rules.view is None  # so that nobody takes a brand that is not there for unknown
    await world.rules.refresh()
    assert (await world.ask())["degraded"] == []


async def test_stores_that_are_away_are_named_once(world: World) -> None:
    world.away, world.missing = ("redis",), frozenset({"redis", "postgres"})
    assert (await world.ask())["degraded"] == ["redis", "postgres"]
    assert (await world.ask())["degraded"] == ["redis"]  # the slot is in the near cache by now
    world.away = ()
    assert (await world.ask())["degraded"] == []


async def test_the_posterior_in_the_matrix_is_the_rate_in_the_answer(world: World) -> None:
    answer = await world.ask()
    assert world.batches[0].ctr[0] == np.float32(answer["results"][0]["ctr"])


async def test_explain_still_answers_when_the_contributions_cannot_be_had(world: World) -> None:
    answer = await world.ask(explain=True)
    assert answer["degraded"] == ["explain"]
    [result] = answer["results"]
    product = 1.0
    for factor in result["explain"]["factors"].values():
        product *= factor
    assert product == pytest.approx(result["vpi"], rel=1e-9)


@pytest.mark.parametrize(
    ("by", "degraded", "effect"),
    [(["4"], [], 0.1), (["5", "4"], [], 0.1), (["5", "5", "4"], ["explain"], 0.0)],
)
async def test_a_breakdown_is_of_the_version_that_scored_or_left_out(
    world: World, by: list[str], degraded: list[str], effect: float
) -> None:
    world.explaining = by
    answer = await world.ask(explain=True)
    assert answer["degraded"] == degraded
    breakdown = answer["results"][0]["explain"]["breakdown"]
    assert breakdown["device"] == pytest.approx(np.exp(effect))


async def test_without_a_model_there_is_nothing_to_explain(world: World) -> None:
    world.models_answer_s = NEVER_S
    world.explaining = ["4"]
    answer = await world.ask(explain=True, tmax_ms=50)
    assert answer["degraded"] == ["scoring"]
    assert set(answer["results"][0]["explain"]["breakdown"].values()) == {1.0}


async def test_a_late_explanation_does_not_hold_the_answer(world: World) -> None:
    async def never(batch: ScoreBatch) -> Explained:
        await asyncio.sleep(NEVER_S)
        return NOTHING_EXPLAINED

    scorer = Scorer(world.rules, world.slots, world.predict, never, Estimator.from_configs())
    bid = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
    body = {"slot_id": 7, "bids": [bid], "tmax_ms": 50, "explain": True}
    watch = Stopwatch()
    await scorer(json.dumps(body).encode(), [], time.monotonic())
    assert watch.took_s() < 0.5


async def test_broken_rules_leave_the_last_good_ones_and_are_read_again(world: World) -> None:
    good, broken = RulesFetched(SNAPSHOT), [True]

    async def fetch() -> RulesFetched:
        if broken[0]:
            raise BrokenRuleBook("brand 3 has strategy 9, which is not there")
        return good

    feed = RulesFeed(fetch)
    feed.view = world.rules.view
    following = asyncio.create_task(feed.follow())
    await asyncio.sleep(0.01)
    assert feed.view is world.rules.view
    broken[0] = False
    feed.changed()
    await asyncio.sleep(0.01)
    assert not following.done()
    assert not feed.stale
    following.cancel()
