"""What must hold for any bundle: order, floors, scale, strategies, prices, explanations."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from bidding.auction import NoWinner, Winner
from bidding.bundle import AuctionType, Bids, Odds, SlotTerms
from bidding.evaluate import Evaluation, evaluate_bids
from bidding.explain import Contributions, FactorGroup, explain
from bidding.pricing import PricingModel, base_value
from bidding.reasons import Reason
from bidding.rulebook import compile_rules
from tests.engine_cases import Case, Row, case_of

# Round numbers are drawn often, so that ties, floors met exactly and caps do happen.
AMOUNTS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 10.0]) | st.floats(1e-4, 100.0)
RATES = st.sampled_from([0.0, 0.001, 0.01, 0.1]) | st.floats(1e-5, 0.2)
QUALITIES = st.sampled_from([1.0, 0.5, 2.0, math.nan, math.inf]) | st.floats(0.05, 20.0)
THRESHOLDS = st.sampled_from([0.0, 0.001, 0.002, 0.01]) | st.floats(1e-6, 0.05)
FLOORS = st.sampled_from([0.0, 0.5, 1.0, 2.0]) | st.floats(0.0, 20.0)
MULTIPLIERS = st.sampled_from([0.9, 1.0, 1.25]) | st.floats(0.01, 10.0)
MODELS = st.sampled_from([model.name for model in PricingModel])
BRAND_IDS = st.integers(1, 4)
UNKNOWN_BRAND = 9

BID = st.fixed_dictionaries(
    {
        "brand_id": BRAND_IDS | st.just(UNKNOWN_BRAND),
        "pricing_model": MODELS,
        "amount": AMOUNTS,
        "ctr": RATES,
        "cvr": RATES,
        "ctr_quality": QUALITIES,
        "cvr_quality": QUALITIES,
    },
    optional={"aov": st.floats(1.0, 500.0), "min_vpi": THRESHOLDS, "max_vpi": THRESHOLDS},
)
PLAIN_BID = st.fixed_dictionaries(
    {
        "brand_id": BRAND_IDS,
        "pricing_model": MODELS,
        "amount": st.floats(0.01, 100.0),
        "ctr": st.floats(1e-4, 0.2),
        "cvr": st.floats(1e-4, 0.2),
        "ctr_quality": st.floats(0.05, 20.0),
        "cvr_quality": st.floats(0.05, 20.0),
        "aov": st.floats(1.0, 500.0),
    }
)
BRAND = st.fixed_dictionaries(
    {
        "paused": st.sampled_from([False, False, False, True]),
        "cpa_on_bought_traffic": st.booleans(),
    },
    optional={"thresholds": st.dictionaries(MODELS, st.builds(dict, max_vpi=THRESHOLDS))},
)
STRATEGY = st.fixed_dictionaries({"vpi_multiplier": MULTIPLIERS, "priority": st.integers(-2, 2)})
SLOT = st.fixed_dictionaries(
    {
        "floor": FLOORS,
        "paused": st.sampled_from([False] * 9 + [True]),
        "bought_by": st.sampled_from([None, None, "CPM", "CPC"]),
    }
)


@st.composite
def cases(draw: st.DrawFn, bid: st.SearchStrategy[Row] = BID, max_size: int = 8) -> Case:
    """Any bundle; each brand has a strategy of its own, with the same number."""
    rows = draw(st.lists(bid, min_size=1, max_size=max_size))
    strategies = [{"strategy_id": i, **draw(STRATEGY)} for i in range(1, 5)]
    brands = [{"brand_id": i, "strategy_id": i, **draw(BRAND)} for i in range(1, 5)]
    exponents = draw(st.sampled_from([(0.0, 1.0, 1.0, 1.0), (0.3, 0.5, 0.7, 0.0)]))
    increment = draw(st.sampled_from([0.0, 0.01, 1.0]))
    rules = {"strategies": strategies, "brands": brands, "increment": increment}
    document = {
        "bids": [{"bid_id": f"b{index}", **row} for index, row in enumerate(rows)],
        "slot": draw(SLOT),
        "rules": {**rules, "quality_exponents": exponents},
        "auction": draw(st.sampled_from(list(AuctionType))),
    }
    return case_of("drawn", document)


def shuffled(bids: Bids, odds: Odds, order: list[int]) -> tuple[Bids, Odds]:
    def take(column: Any) -> Any:
        return column[order] if isinstance(column, np.ndarray) else [column[i] for i in order]

    columns = {name: take(getattr(bids, name)) for name in Bids.__slots__}
    rates = {name: take(getattr(odds, name)) for name in Odds.__slots__}
    return Bids(**columns), Odds(**rates)


def verdicts(evaluation: Evaluation) -> dict[str, tuple[int, int, float]]:
    rows = zip(
        evaluation.bids.bid_ids,
        evaluation.rank.tolist(),
        evaluation.reason.tolist(),
        np.nan_to_num(evaluation.vpi, nan=-1.0).tolist(),
        strict=True,
    )
    return {bid_id: (rank, reason, vpi) for bid_id, rank, reason, vpi in rows}


def winner_of(evaluation: Evaluation) -> str:
    winner = evaluation.winner
    return evaluation.bids.bid_ids[winner.index] if isinstance(winner, Winner) else ""


@given(case=cases(), data=st.data())
def test_order_of_bids_never_matters(case: Case, data: st.DataObject) -> None:
    first = case.evaluate()
    order = data.draw(st.permutations(range(len(case.bids))))
    bids, odds = shuffled(case.bids, case.odds, list(order))
    second = replace(case, bids=bids, odds=odds).evaluate()
    assert verdicts(first) == verdicts(second)
    assert winner_of(first) == winner_of(second)
    if isinstance(first.winner, Winner):
        assert isinstance(second.winner, Winner)
        assert replace(first.winner, index=0) == replace(second.winner, index=0)


@given(case=cases(), rise=st.floats(0.0, 10.0))
def test_raising_a_floor_never_creates_a_winner_nor_a_bid(case: Case, rise: float) -> None:
    before = case.evaluate()
    slot = replace(case.slot, floor=case.slot.floor + rise)
    after = replace(case, slot=slot).evaluate()
    assert not (after.rank[before.rank == 0] > 0).any()
    assert winner_of(after) in ("", winner_of(before))


@given(case=cases(bid=PLAIN_BID), power=st.integers(-8, 8))
def test_scaling_all_amounts_scales_all_values(case: Case, power: int) -> None:
    slot, factor = SlotTerms(slot_id=1), 2.0**power
    scaled = replace(case.bids, amounts=case.bids.amounts * factor)
    before = evaluate_bids(case.bids, slot, case.odds, case.rules)
    after = evaluate_bids(scaled, slot, case.odds, case.rules)
    assert (after.uncapped_vpi == before.uncapped_vpi * factor).all()
    if not (before.capped | after.capped).any():
        assert (after.rank == before.rank).all()


@given(case=cases(), brand_id=BRAND_IDS, rise=st.floats(1.0, 5.0))
def test_a_higher_multiplier_never_lowers_the_brands_rank(
    case: Case, brand_id: int, rise: float
) -> None:
    strategy = case.rules.strategies[brand_id]
    raised = replace(strategy, vpi_multiplier=strategy.vpi_multiplier * rise)
    strategies = {**case.rules.strategies, brand_id: raised}
    own = case.bids.brand_ids == brand_id
    before = case.evaluate().rank[own]
    after = replace(case, rules=replace(case.rules, strategies=strategies)).evaluate().rank[own]
    if (before > 0).any():
        assert (after > 0).any()
        assert after[after > 0].min() <= before[before > 0].min()


@given(case=cases())
def test_second_price_is_never_above_first_nor_below_the_floor(case: Case) -> None:
    first = replace(case, auction=AuctionType.FIRST_PRICE).evaluate()
    second = replace(case, auction=AuctionType.SECOND_PRICE).evaluate()
    assert (first.rank == second.rank).all()
    if isinstance(first.winner, NoWinner):
        assert isinstance(second.winner, NoWinner)
        return
    assert isinstance(second.winner, Winner)
    assert second.winner.clearing_vpi <= first.winner.clearing_vpi
    assert second.winner.clearing_amount <= first.winner.clearing_amount
    assert second.winner.clearing_vpi >= second.floor_vpi
    assert second.winner.clearing_vpi >= second.vpi[second.order[1:]].max(initial=0.0)
    assert first.winner.clearing_vpi == first.vpi[first.winner.index]


def rerun(case: Case, winner: Winner, amount: float) -> Evaluation:
    amounts = case.bids.amounts.copy()
    amounts[winner.index] = amount
    return replace(case, bids=replace(case.bids, amounts=amounts)).evaluate()


@given(case=cases())
def test_the_clearing_amount_would_still_have_won_at_the_clearing_value(case: Case) -> None:
    winner = case.evaluate().winner
    assume(isinstance(winner, Winner))
    assert isinstance(winner, Winner)
    again = rerun(case, winner, winner.clearing_amount)
    assert winner_of(again) == case.bids.bid_ids[winner.index]
    assert again.vpi[winner.index] == winner.clearing_vpi
    assert winner.clearing_vpi <= again.max_vpi[winner.index]
    assert winner.clearing_amount <= case.bids.amounts[winner.index]


@given(case=cases())
def test_less_than_the_second_price_would_have_lost(case: Case) -> None:
    rules = replace(case.rules, auction=replace(case.rules.auction, increment=0.0))
    case = replace(case, rules=rules, auction=AuctionType.SECOND_PRICE)
    evaluation = case.evaluate()
    winner = evaluation.winner
    assume(isinstance(winner, Winner))
    assert isinstance(winner, Winner)
    reserve = max(evaluation.floor_vpi, evaluation.min_vpi[winner.index])
    assume(len(evaluation.order) > 1 or reserve > 0.0)
    # below it a float has too few digits to be a billionth less
    assume(winner.clearing_vpi >= np.finfo(np.float64).tiny)
    less = rerun(case, winner, winner.clearing_amount * (1.0 - 1e-9))
    assert winner_of(less) != case.bids.bid_ids[winner.index]


@given(case=cases())
def test_a_capped_value_is_never_above_its_cap(case: Case) -> None:
    evaluation = case.evaluate()
    valued = ~np.isnan(evaluation.vpi)
    assert (evaluation.vpi[valued] <= evaluation.max_vpi[valued]).all()
    assert (evaluation.capped == (evaluation.vpi < evaluation.uncapped_vpi)).all()


@given(case=cases())
def test_rank_is_a_permutation_of_the_ranked_and_every_loser_has_a_reason(case: Case) -> None:
    evaluation = case.evaluate()
    ranked = evaluation.rank[evaluation.rank > 0]
    assert sorted(ranked.tolist()) == list(range(1, len(ranked) + 1))
    assert (evaluation.rank[evaluation.order] == np.arange(1, len(ranked) + 1)).all()
    for rank, number in zip(evaluation.rank, evaluation.reason, strict=True):
        reason = Reason(number)
        assert reason.is_no_bid == (rank == 0)
        assert (reason is Reason.WON) == (rank == 1)


LOG_ODDS = st.lists(
    st.floats(-5.0, 5.0) | st.sampled_from([0.0, 300.0, -300.0, math.nan, math.inf]),
    min_size=len(FactorGroup),
    max_size=len(FactorGroup),
)


@given(case=cases(), ctr_log_odds=LOG_ODDS, cvr_log_odds=LOG_ODDS)
def test_an_explanations_product_is_the_value(
    case: Case, ctr_log_odds: list[float], cvr_log_odds: list[float]
) -> None:
    evaluation = case.evaluate()
    n = len(case.bids)
    contributions = Contributions(
        ctr_log_odds=np.tile(ctr_log_odds, (n, 1)),
        cvr_log_odds=np.tile(cvr_log_odds, (n, 1)),
        ctr_interval=np.zeros((n, 2)),
        cvr_interval=np.zeros((n, 2)),
    )
    for index in range(n):
        explanation = explain(evaluation, index, contributions)
        product = math.prod(explanation.factors.values())
        assert product == pytest.approx(explanation.vpi, rel=1e-9, abs=0.0, nan_ok=True)
        expected = explanation.quality_factor**explanation.quality_exponent
        assert math.prod(explanation.breakdown.values()) == pytest.approx(expected, rel=1e-9)


@given(amount=st.floats(1.0, 100.0), ctr=st.floats(0.0, 0.2))
def test_a_click_bid_is_worth_amount_times_ctr(amount: float, ctr: float) -> None:
    row = {"pricing_model": "CPC", "amount": amount, "ctr": ctr}
    evaluation = case_of("cpc", {"bids": [row]}).evaluate()
    assert evaluation.base_value.tolist() == [amount * ctr]
    assert evaluation.vpi.tolist() == [amount * ctr]


@given(case=cases())
def test_a_bid_is_worth_the_same_alone_as_in_a_bundle(case: Case) -> None:
    together = case.evaluate()
    for index in range(len(case.bids)):
        bids, odds = shuffled(case.bids, case.odds, [index])
        alone = replace(case, bids=bids, odds=odds).evaluate()
        np.testing.assert_array_equal(alone.vpi, together.vpi[index : index + 1])
        assert (alone.rank[0] > 0) == (together.rank[index] > 0)


@given(case=cases())
def test_compiled_rules_decide_as_the_book_does(case: Case) -> None:
    plain = case.evaluate()
    compiled = compile_rules(case.rules)
    again = evaluate_bids(case.bids, case.slot, case.odds, compiled, case.auction)
    assert verdicts(plain) == verdicts(again)
    assert plain.winner == again.winner


@given(case=cases(bid=PLAIN_BID))
def test_base_value_is_the_product_of_what_the_model_pays_for(case: Case) -> None:
    bids, odds = case.bids, case.odds
    values = base_value(bids.pricing_models, bids.amounts, bids.aov, odds.ctr, odds.cvr)
    for index, value in enumerate(values.tolist()):
        amount, ctr, cvr = bids.amounts[index], odds.ctr[index], odds.cvr[index]
        expected = {
            PricingModel.CPM: amount / 1000,
            PricingModel.CPC: amount * ctr,
            PricingModel.CPA: amount * ctr * cvr,
            PricingModel.CPA_PERCENT: amount * bids.aov[index] * ctr * cvr,
        }[PricingModel(bids.pricing_models[index])]
        assert value == pytest.approx(expected, rel=1e-12)
