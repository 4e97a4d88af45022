"""What another multiplier would have changed, on bundles whose outcome is plain to see."""

from dataclasses import replace

import numpy as np
import pytest

from bidding.bundle import AuctionType, Bids, Brand, Odds, RuleBook, SlotTerms, Strategy
from bidding.errors import NotFound
from bidding.evaluate import LoggedBundle
from bidding.rulebook import compile_rules
from bidding.what_if import Comparison, compare_rules
from deployments.what_if import Proposal, processes, proposed

BOOK = RuleBook(
    {1: Strategy(1, "Balanced", 1.0, 0), 2: Strategy(2, "Push", 1.0, 0)},
    {10: Brand(10, 1), 20: Brand(20, 2)},
)


def a_bundle(*amounts: float) -> LoggedBundle:
    """CPM bids of brands 10 and 20."""
    nan = np.full(2, np.nan)
    ones = np.ones(2)
    bids = Bids(
        bid_ids=["a", "b"],
        brand_ids=np.array([10, 20]),
        pricing_models=np.zeros(2, np.int8),
        amounts=np.array(amounts),
        aov=nan,
        min_vpi=nan,
        max_vpi=nan,
    )
    odds = Odds(ctr=ones * 0.1, cvr=ones * 0.1, ctr_quality=ones, cvr_quality=ones)
    return LoggedBundle(bids, SlotTerms(slot_id=1), odds, AuctionType.FIRST_PRICE)


def compared(multiplier: float, *bundles: LoggedBundle) -> Comparison:
    after = proposed(BOOK, Proposal(2, multiplier))
    return compare_rules(bundles, compile_rules(BOOK), compile_rules(after), {20})


def test_a_higher_multiplier_takes_wins_and_its_value_is_the_bids_own() -> None:
    found = compared(1.5, a_bundle(2.0, 1.5), a_bundle(2.0, 1.0))
    assert (found.decisions, found.changed_winners) == (2, 1)
    assert found.before.wins == {10: 2}
    assert found.after.wins == {10: 1, 20: 1}
    assert found.before.value == pytest.approx({10: 0.004})
    assert found.after.value == pytest.approx({10: 0.002, 20: 0.0015})


def test_the_same_multiplier_changes_nothing() -> None:
    found = compared(1.0, a_bundle(2.0, 1.5))
    assert (found.changed_winners, found.before) == (0, found.after)


def test_shares_add_up_to_the_whole() -> None:
    bundles = [a_bundle(2.0, amount) for amount in (0.5, 1.5, 2.5)]
    total = Comparison()
    for bundle in bundles:
        total.include(compared(1.5, bundle))
    assert total == compared(1.5, *bundles)


def test_a_bundle_without_a_winner_counts_as_a_decision() -> None:
    bundle = replace(a_bundle(2.0, 1.0), slot=SlotTerms(slot_id=1, paused=True))
    found = compared(1.5, bundle)
    assert (found.decisions, found.before.wins, found.after.wins) == (1, {}, {})


def test_a_proposal_keeps_everything_else() -> None:
    after = proposed(BOOK, Proposal(2, 1.5))
    assert after.strategies[2] == Strategy(2, "Push", 1.5, 0)
    assert after.strategies[1] is BOOK.strategies[1]
    assert proposed(BOOK, Proposal(2, 1.0, priority=9)).strategies[2].priority == 9
    with pytest.raises(NotFound):
        proposed(BOOK, Proposal(3, 1.0))


def test_work_is_shared_when_there_is_enough_of_it() -> None:
    assert [processes(n, 2) for n in (0, 10, 1_000, 1_001, 50_000)] == [0, 1, 1, 2, 2]
