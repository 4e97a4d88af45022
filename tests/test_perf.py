"""How long a bundle takes in process. Ratios hold on any machine; 25 ms is the hard cap.

Timings for reading: `pytest tests/test_perf.py --benchmark-only`.
"""

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import xgboost as xgb

from benchmarks import workload
from benchmarks.bodies import bundles
from benchmarks.guard import our_path
from bidding.batch import ScoreBatch
from bidding.bundle import AuctionType, Bids, Brand, Odds, RuleBook, SlotTerms, Strategy
from bidding.evaluate import Evaluation, evaluate_bids
from bidding.explain import explain, no_contributions
from bidding.matrix import bundle_batch
from bidding.pricing import PricingModel
from bidding.rulebook import CompiledRules, compile_rules
from stores.feature_contract import load_contract
from stores.model_files import ServingModel
from stores.model_registry import CTR_MODEL
from tests.engine_cases import golden_cases, random_bundle

CAP_S = 0.025
SLOT = SlotTerms(slot_id=1, floor=0.2, bought_by=PricingModel.CPC)


@pytest.fixture(scope="module")
def rules() -> CompiledRules:
    strategies = {i: Strategy(i, f"strategy {i}", 0.9 + i / 20, i) for i in range(5)}
    brands = {i: Brand(i, i % 5, cpa_on_bought_traffic=i % 2 == 0) for i in range(1, 2001)}
    return compile_rules(RuleBook(strategies, brands))


def bundle(n: int) -> tuple[Bids, Odds]:
    return random_bundle(n, np.random.default_rng(n), brands=2100)


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    booster = workload.fit()
    booster.set_param({"nthread": 1})
    return booster


@pytest.fixture(scope="module")
def model(booster: xgb.Booster) -> ServingModel:
    return workload.serving_model(CTR_MODEL, booster, load_contract())


def layout(n: int) -> Callable[[], ScoreBatch]:
    """Lays out a bundle in which no two bids are alike, so that none is scored for another."""
    contract = load_contract()
    rng = np.random.default_rng(n)
    shared = {name: float(rng.random()) for name in contract.shared}
    per_bid = {name: rng.random(n) for name in contract.per_bid}
    ctr, cvr = rng.random(n) / 50, rng.random(n) / 9
    segments = np.empty(0, np.int32)
    return lambda: bundle_batch(contract, shared, segments, per_bid, ctr, cvr)


def decide(n: int, model: ServingModel, rules: CompiledRules) -> Callable[[], Evaluation]:
    """Matrix, XGBoost, rules: what a bundle costs beside HTTP and JSON."""
    bids, odds = bundle(n)
    matrix = layout(n)

    def work() -> Evaluation:
        batch = matrix()
        ctr = model.predict(batch, batch.ctr).astype(np.float64) / batch.ctr
        cvr = model.predict(batch, batch.cvr).astype(np.float64) / batch.cvr
        return evaluate_bids(bids, SLOT, Odds(odds.ctr, odds.cvr, ctr, cvr), rules)

    return work


def seconds(work: Callable[[], object], rounds: int = 40) -> float:
    """The fastest of some rounds: what the work costs when nothing else runs."""
    return min(_timed(work) for _ in range(rounds))


def _timed(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def one_by_one(bids: Bids, odds: Odds, rules: CompiledRules) -> list[Evaluation]:
    """The same bids as bundles of one."""
    found = []
    for i in range(len(bids)):
        row = slice(i, i + 1)
        bid = Bids(*(getattr(bids, name)[row] for name in Bids.__slots__))
        odd = Odds(*(getattr(odds, name)[row] for name in Odds.__slots__))
        found.append(evaluate_bids(bid, SLOT, odd, rules))
    return found


@pytest.mark.parametrize("auction", list(AuctionType))
def test_bidding_for_100_bids_stays_under_25_ms(auction: AuctionType, rules: CompiledRules) -> None:
    bids, odds = bundle(100)
    work = [_timed(lambda: evaluate_bids(bids, SLOT, odds, rules, auction)) for _ in range(40)]
    assert statistics.median(work) < CAP_S


def test_matrix_models_and_rules_for_100_bids_stay_under_25_ms(
    model: ServingModel, rules: CompiledRules
) -> None:
    work = decide(100, model, rules)
    assert statistics.median(_timed(work) for _ in range(40)) < CAP_S


def test_the_whole_request_path_for_100_bids_stays_under_25_ms(booster: xgb.Booster) -> None:
    bodies = [json.dumps(body).encode() for body in bundles(100)]
    work = our_path(booster, bodies, at_once=1)
    work()
    assert statistics.median(_timed(work) for _ in range(40)) < CAP_S


def test_the_time_of_a_bid_falls_from_10_to_1000_bids(
    model: ServingModel, rules: CompiledRules
) -> None:
    each = [seconds(decide(n, model, rules)) / n for n in (10, 100, 1000)]
    assert each[0] > each[1] > each[2]


def test_a_bundle_of_100_costs_far_less_than_100_bundles_of_one(rules: CompiledRules) -> None:
    bids, odds = bundle(100)
    together = seconds(lambda: evaluate_bids(bids, SLOT, odds, rules))
    apart = seconds(lambda: one_by_one(bids, odds, rules), rounds=5)
    assert apart > 20 * together


def test_ten_times_the_bids_cost_less_than_four_times_the_time(rules: CompiledRules) -> None:
    small, large = bundle(100), bundle(1000)
    hundred = seconds(lambda: evaluate_bids(small[0], SLOT, small[1], rules))
    thousand = seconds(lambda: evaluate_bids(large[0], SLOT, large[1], rules))
    assert thousand < 4 * hundred


def test_brands_that_do_not_bid_cost_nothing(rules: CompiledRules) -> None:
    bids, odds = bundle(100)
    strategies = {0: Strategy(0, "Balanced", 1.0, 0)}
    few = compile_rules(RuleBook(strategies, {i: Brand(i, 0) for i in range(1, 21)}))
    many = seconds(lambda: evaluate_bids(bids, SLOT, odds, rules))
    assert many < 2 * seconds(lambda: evaluate_bids(bids, SLOT, odds, few))


@pytest.mark.parametrize("n", [10, 100, 1000])
def test_speed_of_matrix_models_and_rules(
    benchmark: Any, n: int, model: ServingModel, rules: CompiledRules
) -> None:
    evaluation = benchmark(decide(n, model, rules))
    assert len(evaluation.order) > n // 4


def test_speed_of_the_whole_request_path(benchmark: Any, booster: xgb.Booster) -> None:
    bodies = [json.dumps(body).encode() for body in bundles(100)]
    benchmark(our_path(booster, bodies, at_once=1))


@pytest.mark.parametrize("auction", list(AuctionType))
@pytest.mark.parametrize("n", [10, 100, 1000])
def test_speed_of_bidding(
    benchmark: Any, n: int, auction: AuctionType, rules: CompiledRules
) -> None:
    bids, odds = bundle(n)
    evaluation = benchmark(evaluate_bids, bids, SLOT, odds, rules, auction)
    assert len(evaluation.order) > n // 4


def test_speed_of_explaining_100_bids(benchmark: Any, rules: CompiledRules) -> None:
    bids, odds = bundle(100)
    evaluation = evaluate_bids(bids, SLOT, odds, rules)
    contributions = no_contributions(100, np.zeros((100, 2)), np.zeros((100, 2)))
    found = benchmark(lambda: [explain(evaluation, i, contributions) for i in range(100)])
    assert len(found) == 100


def test_speed_of_the_golden_cases(benchmark: Any) -> None:
    cases = [(case, compile_rules(case.rules)) for case in golden_cases()]

    def every_case() -> list[Evaluation]:
        return [evaluate_bids(c.bids, c.slot, c.odds, rules, c.auction) for c, rules in cases]

    assert len(benchmark(every_case)) == len(cases)
