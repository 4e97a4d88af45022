"""The edges of `evaluate_bids`; its rules one by one are the golden cases."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from bidding.auction import NoWinner, Winner
from bidding.bundle import AuctionType, Brand, Odds, RuleBook, Strategy
from bidding.errors import BrokenRuleBook
from bidding.evaluate import Evaluation, LoggedBundle, evaluate_bids, re_evaluate
from bidding.pricing import PricingModel
from bidding.reasons import Reason
from bidding.rulebook import compile_rules
from tests.engine_cases import Row, case_of


def evaluate(*bids: Row, **document: object) -> Evaluation:
    return case_of("unit", {"bids": list(bids), **document}).evaluate()


def reasons(evaluation: Evaluation) -> list[Reason]:
    return [Reason(number) for number in evaluation.reason.tolist()]


@pytest.mark.parametrize("auction", list(AuctionType))
def test_an_empty_bundle_has_no_winner(auction: AuctionType) -> None:
    evaluation = evaluate(auction=auction)
    assert evaluation.winner == NoWinner()
    assert len(evaluation.vpi) == len(evaluation.rank) == len(evaluation.order) == 0


@pytest.mark.parametrize("quality", [np.nan, np.inf, -np.inf])
def test_a_quality_that_is_no_finite_number_counts_as_one_and_is_flagged(quality: float) -> None:
    click = {"pricing_model": "CPC", "amount": 0.5, "ctr": 0.01}
    evaluation = evaluate({**click, "ctr_quality": quality}, {**click, "ctr_quality": 2.0})
    assert evaluation.quality_defaulted.tolist() == [True, False]
    assert evaluation.quality_factor.tolist() == [1.0, 2.0]
    assert evaluation.vpi.tolist() == [0.005, 0.01]


def test_a_broken_conversion_quality_does_not_touch_a_click_bid() -> None:
    row = {"amount": 1.0, "ctr_quality": 2.0, "cvr_quality": np.nan}
    evaluation = evaluate({**row, "pricing_model": "CPC"}, {**row, "pricing_model": "CPA"})
    assert evaluation.quality_defaulted.tolist() == [False, True]
    assert evaluation.quality_factor.tolist() == [2.0, 1.0]


def test_quality_given_by_the_caller_is_left_as_it_was() -> None:
    case = case_of("unit", {"bids": [{"pricing_model": "CPA", "ctr_quality": np.nan}]})
    case.evaluate()
    assert np.isnan(case.odds.ctr_quality).all()


def test_an_odd_that_is_not_a_number_is_worth_nothing() -> None:
    evaluation = evaluate({"pricing_model": "CPC", "ctr": np.nan}, {"amount": 0.1})
    assert reasons(evaluation) == [Reason.ZERO_VALUE, Reason.WON]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("auction", list(AuctionType))
def test_an_absurd_amount_stays_finite(auction: AuctionType) -> None:
    row = {"pricing_model": "CPA_PERCENT", "amount": 1e300, "aov": 1e300, "ctr": 0.2, "cvr": 0.2}
    evaluation = evaluate(row, {**row, "max_vpi": 0.5}, auction=auction)
    assert np.isfinite(evaluation.vpi).all()
    assert evaluation.rank.tolist() == [1, 2]
    assert isinstance(evaluation.winner, Winner)
    assert np.isfinite([evaluation.winner.clearing_vpi, evaluation.winner.clearing_amount]).all()


def test_a_minimum_above_the_maximum_is_held_against_the_uncapped_value() -> None:
    row = {"amount": 2.0, "max_vpi": 0.001}
    evaluation = evaluate({**row, "min_vpi": 0.0015}, {**row, "min_vpi": 0.0025})
    assert reasons(evaluation) == [Reason.WON, Reason.BELOW_MIN_VPI]
    assert isinstance(evaluation.winner, Winner)
    assert evaluation.winner.clearing_amount == 1.5
    assert evaluation.winner.clearing_vpi == 0.001


def test_a_cap_below_the_floor_is_no_bid() -> None:
    evaluation = evaluate({"amount": 5.0, "max_vpi": 0.001}, slot={"floor": 2.0})
    assert reasons(evaluation) == [Reason.BELOW_FLOOR]


def test_the_thresholds_used_are_given() -> None:
    evaluation = evaluate({"min_vpi": 0.0001}, {"max_vpi": 0.02}, slot={"floor": 0.3})
    assert evaluation.min_vpi.tolist() == [0.0001, 0.0]
    assert evaluation.max_vpi.tolist() == [np.inf, 0.02]
    assert evaluation.floor_vpi == 0.3 / 1000


def test_a_brand_whose_strategy_is_missing_is_refused() -> None:
    book = RuleBook(strategies={}, brands={7: Brand(brand_id=7, strategy_id=3)})
    with pytest.raises(BrokenRuleBook, match="brand 7 has strategy 3"):
        compile_rules(book)


def test_money_from_the_database_may_be_decimal() -> None:
    strategy = Strategy(1, "Maximize ROI", Decimal("1.25"), 0)  # type: ignore[arg-type]
    book = RuleBook(strategies={1: strategy}, brands={1: Brand(1, 1)}, version=41)
    case = case_of("unit", {"bids": [{"amount": 2.0}]})
    evaluation = evaluate_bids(case.bids, case.slot, case.odds, compile_rules(book))
    assert evaluation.vpi.tolist() == [0.0025]
    assert evaluation.rules_version == 41


def test_the_largest_brand_id_is_looked_up_like_any_other() -> None:
    row = {"brand_id": 2**63 - 1}
    assert reasons(evaluate(row)) == [Reason.WON]
    assert reasons(evaluate(row, rules={"brands": []})) == [Reason.UNKNOWN_BRAND]


def test_a_logged_bundle_is_decided_anew_under_other_rules() -> None:
    bids = [{"bid_id": "a", "amount": 1.0}, {"bid_id": "b", "amount": 1.1, "brand_id": 2}]
    brands = [{"brand_id": 1, "strategy_id": 1}, {"brand_id": 2, "strategy_id": 2}]
    plain = [{"strategy_id": i, "vpi_multiplier": 1.0} for i in (1, 2)]
    case = case_of("unit", {"bids": bids, "rules": {"strategies": plain, "brands": brands}})
    logged = LoggedBundle(case.bids, case.slot, case.odds, case.auction)
    assert re_evaluate(logged, case.rules).rank.tolist() == [2, 1]
    bolder = replace(case.rules.strategies[1], vpi_multiplier=1.3)
    proposed = replace(case.rules, strategies={**case.rules.strategies, 1: bolder})
    assert re_evaluate(logged, proposed).rank.tolist() == [1, 2]


def test_float32_odds_from_a_model_are_accepted() -> None:
    case = case_of("unit", {"bids": [{"pricing_model": "CPC", "amount": 0.5}]})
    half = np.array([0.5], np.float32)
    odds = Odds(ctr=half, cvr=half, ctr_quality=half, cvr_quality=half)
    assert replace(case, odds=odds).evaluate().vpi.tolist() == [0.125]


def test_pricing_model_matters_only_where_traffic_is_bought_by_impression_or_click() -> None:
    for bought_by, expected in (
        (None, Reason.WON),
        (PricingModel.CPM, Reason.PRICING_NOT_ALLOWED),
        (PricingModel.CPC, Reason.PRICING_NOT_ALLOWED),
        (PricingModel.CPA, Reason.WON),
    ):
        slot = {} if bought_by is None else {"bought_by": bought_by.name}
        assert reasons(evaluate({"pricing_model": "CPA"}, slot=slot)) == [expected]
