"""Explanations of single bids."""

import math

import numpy as np
import pytest

from bidding.evaluate import Evaluation
from bidding.explain import Contributions, Estimate, Explanation, FactorGroup, no_contributions
from bidding.explain import explain as explain_bid
from bidding.pricing import PricingModel
from bidding.reasons import Reason
from tests.engine_cases import Row, case_of

INTERVAL = np.array([[0.008, 0.013]])
STRATEGY = {"strategies": [{"strategy_id": 1, "vpi_multiplier": 1.25}]}


def evaluate(row: Row) -> Evaluation:
    return case_of("unit", {"bids": [row], "rules": STRATEGY}).evaluate()


def explain(row: Row, ctr: list[float], cvr: list[float] | None = None) -> Explanation:
    conversions = np.array([cvr or [0.0] * len(FactorGroup)])
    contributions = Contributions(np.array([ctr]), conversions, INTERVAL, INTERVAL)
    return explain_bid(evaluate(row), 0, contributions)


CLICK = {"pricing_model": "CPC", "amount": 0.5, "ctr": 0.01, "ctr_quality": 1.5}


def test_each_group_shows_its_effect_and_the_rest_makes_the_product_exact() -> None:
    explanation = explain(CLICK, [0.2, 0.0, -0.1, 0.05, 0.3])
    named = [explanation.breakdown[group.name.lower()] for group in FactorGroup]
    assert named == pytest.approx(np.exp([0.2, 0.0, -0.1, 0.05, 0.3]).tolist())
    assert math.prod(explanation.breakdown.values()) == pytest.approx(1.5, rel=1e-12)
    assert math.prod(explanation.factors.values()) == pytest.approx(explanation.vpi, rel=1e-12)
    assert explanation.vpi == pytest.approx(0.5 * 0.01 * 1.5 * 1.25)


def test_factors_are_named_in_the_order_they_are_applied() -> None:
    names = ["placement", "partner", "device", "creative", "hour", "rest"]
    explanation = explain(CLICK, [0.0] * 5)
    assert list(explanation.factors) == ["base_value", *names, "multiplier", "cap"]


def test_a_conversion_bid_is_explained_by_both_models() -> None:
    row = {**CLICK, "pricing_model": "CPA", "cvr": 0.1, "cvr_quality": 0.8}
    explanation = explain(row, [0.2, 0.0, 0.0, 0.0, 0.0], [0.1, -0.4, 0.0, 0.0, 0.0])
    assert explanation.breakdown["placement"] == pytest.approx(math.exp(0.3))
    assert explanation.breakdown["partner"] == pytest.approx(math.exp(-0.4))
    assert explanation.quality_factor == pytest.approx(1.2)


def test_a_click_bid_is_not_explained_by_conversions() -> None:
    explanation = explain(CLICK, [0.0] * 5, [1.0] * 5)
    assert explanation.breakdown["placement"] == 1.0


def test_a_cpm_bid_shows_its_quality_but_no_factor_moves_its_value() -> None:
    row = {**CLICK, "pricing_model": "CPM", "amount": 2.0}
    explanation = explain(row, [0.2, 0.1, -0.1, 0.05, 0.3])
    assert explanation.quality_factor == 1.5
    assert set(explanation.breakdown.values()) == {1.0}
    assert explanation.vpi == pytest.approx(0.0025)


def test_a_capped_bid_shows_what_the_cap_took() -> None:
    explanation = explain({**CLICK, "max_vpi": 0.005}, [0.0] * 5)
    assert explanation.vpi == 0.005
    assert explanation.cap == pytest.approx(0.005 / (0.5 * 0.01 * 1.5 * 1.25))
    assert explain(CLICK, [0.0] * 5).cap == 1.0


def test_without_a_model_the_quality_is_all_rest() -> None:
    explanation = explain_bid(evaluate(CLICK), 0, no_contributions(1, INTERVAL, INTERVAL))
    assert explanation.breakdown["rest"] == 1.5
    assert explanation.breakdown["hour"] == 1.0


def test_a_quality_that_was_replaced_has_no_breakdown() -> None:
    explanation = explain({**CLICK, "ctr_quality": math.nan}, [0.5] * 5)
    assert explanation.quality_defaulted
    assert set(explanation.breakdown.values()) == {1.0}


def test_rates_come_with_their_intervals_and_the_verdict_with_its_reason() -> None:
    explanation = explain(CLICK, [0.0] * 5)
    assert explanation.ctr == Estimate(mean=0.01, low=0.008, high=0.013)
    assert explanation.pricing_model is PricingModel.CPC
    assert (explanation.rank, explanation.reason) == (1, Reason.WON)


def test_a_no_bid_is_explained_too() -> None:
    explanation = explain({**CLICK, "min_vpi": 1.0}, [0.0] * 5)
    assert (explanation.rank, explanation.reason) == (0, Reason.BELOW_MIN_VPI)
    assert explanation.min_vpi == 1.0
    assert math.prod(explanation.factors.values()) == pytest.approx(explanation.vpi)
