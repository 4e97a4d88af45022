from dataclasses import replace

import numpy as np
import pytest

from bidding.bundle import AuctionType, SlotTerms
from bidding.evaluate import re_evaluate
from bidding.pricing import PricingModel
from stores.decision_columns import pack, unpack
from tests.decision_cases import a_book, a_decision
from tests.engine_cases import Case, golden_cases


@pytest.mark.parametrize("case", golden_cases(), ids=lambda case: case.name)
def test_a_logged_bundle_is_decided_again_as_it_was(case: Case) -> None:
    evaluation = case.evaluate()
    packed = pack(evaluation, case.slot, ["banner"] * len(case.bids))
    logged = unpack(
        packed, case.slot.slot_id, case.bids.brand_ids.tolist(), evaluation.reason.tolist()
    )
    again = re_evaluate(logged.bundle(case.auction), case.rules)
    assert again.winner == evaluation.winner
    assert again.order.tolist() == evaluation.order.tolist()
    np.testing.assert_array_equal(again.vpi, evaluation.vpi)
    np.testing.assert_array_equal(again.reason, evaluation.reason)


def test_every_column_comes_back_exactly() -> None:
    decision = a_decision(bids=40)
    evaluation = decision.evaluation
    packed = pack(evaluation, decision.slot, decision.creative_types)
    logged = unpack(packed, 7, evaluation.bids.brand_ids.tolist(), evaluation.reason.tolist())
    for name in ("rank", "reason", "vpi", "multiplier", "quality_exponent", "min_vpi", "max_vpi"):
        np.testing.assert_array_equal(getattr(logged, name), getattr(evaluation, name))
    for name in ("ctr", "cvr", "ctr_quality", "cvr_quality"):
        np.testing.assert_array_equal(getattr(logged.odds, name), getattr(evaluation.odds, name))
    for name in ("brand_ids", "pricing_models", "amounts", "aov", "min_vpi", "max_vpi"):
        np.testing.assert_array_equal(getattr(logged.bids, name), getattr(evaluation.bids, name))
    assert logged.bids.bid_ids == evaluation.bids.bid_ids
    assert logged.creative_types == decision.creative_types


def test_the_slot_as_the_rules_saw_it_comes_back() -> None:
    slot = SlotTerms(7, 0.25, paused=True, partner_paused=True, bought_by=PricingModel.CPM)
    decision = a_decision(slot=slot)
    packed = pack(decision.evaluation, slot, decision.creative_types)
    assert unpack(packed, 7, [1] * 5, [0] * 5).slot == slot


def test_a_column_that_varies_between_equal_ends_is_kept() -> None:
    decision = a_decision(bids=3)
    amounts = np.array([1.0, 2.0, 1.0])
    bids = replace(decision.evaluation.bids, amounts=amounts, aov=np.array([np.nan, 1.0, np.nan]))
    packed = pack(replace(decision.evaluation, bids=bids), decision.slot, ["banner"] * 3)
    logged = unpack(packed, 7, [1, 2, 3], [0, 0, 0])
    np.testing.assert_array_equal(logged.bids.amounts, amounts)
    np.testing.assert_array_equal(logged.bids.aov, [np.nan, 1.0, np.nan])


def test_a_hundred_bids_take_seven_and_a_half_kilobytes_at_most() -> None:
    decision = a_decision(bids=100)
    assert len(pack(decision.evaluation, decision.slot, decision.creative_types)) <= 7_500


def test_a_changed_rule_shows_in_what_is_decided_again() -> None:
    decision = a_decision(bids=8)
    evaluation = decision.evaluation
    packed = pack(evaluation, decision.slot, decision.creative_types)
    logged = unpack(packed, 7, evaluation.bids.brand_ids.tolist(), evaluation.reason.tolist())
    book = a_book(8)
    winner = int(evaluation.bids.brand_ids[evaluation.order[0]])
    paused = replace(book.brands[winner], paused=True)
    changed = replace(book, brands={**book.brands, winner: paused})
    again = re_evaluate(logged.bundle(AuctionType.SECOND_PRICE), changed)
    assert again.winner != evaluation.winner
