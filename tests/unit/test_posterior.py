import numpy as np
import pytest

from bidding.posterior import History, Posterior, Prior, Shrinkage, pair_posterior

PRIOR = Prior(3, 100)
SHRINKAGE = Shrinkage()


def posterior(**counts: float) -> Posterior:
    names = [f"{level}_{kind}" for level in ("pair", "slot", "brand") for kind in ("s", "t")]
    pair_s, pair_t, slot_s, slot_t, brand_s, brand_t = (
        np.array([counts.get(name, 0.0)]) for name in names
    )
    history = History(pair_s, pair_t, slot_s, slot_t, brand_s, brand_t)
    return pair_posterior(history, PRIOR, SHRINKAGE)


def test_without_history_the_posterior_is_the_prior_itself() -> None:
    found = posterior()
    assert (found.alpha[0], found.beta[0]) == pytest.approx((3.0, 97.0))


def test_the_first_impressions_move_the_prior_without_a_jump() -> None:
    found = posterior(slot_t=0.01, brand_t=0.01, pair_t=0.01)
    assert (found.alpha[0], found.beta[0]) == pytest.approx((3.0, 97.0), rel=0.001)


def test_where_slot_and_brand_are_known_the_pair_is_worth_its_shrinkage() -> None:
    found = posterior(slot_s=30_000, slot_t=1_000_000, brand_s=30_000, brand_t=1_000_000)
    assert found.alpha[0] == pytest.approx(SHRINKAGE.pair, rel=0.001)


def test_with_much_history_the_pair_speaks_for_itself() -> None:
    found = posterior(pair_s=10_000, pair_t=100_000, slot_t=100_000, brand_t=100_000)
    assert found.mean[0] == pytest.approx(0.1, rel=0.01)


def test_a_rare_pair_borrows_from_its_slot_and_its_brand() -> None:
    good_slot = posterior(slot_s=900, slot_t=10_000).mean[0]
    good_both = posterior(slot_s=900, slot_t=10_000, brand_s=900, brand_t=10_000).mean[0]
    assert 0.03 < good_slot < good_both


def test_more_history_narrows_the_interval() -> None:
    few_low, few_high = posterior(pair_s=3, pair_t=100).interval()
    many_low, many_high = posterior(pair_s=300, pair_t=10_000).interval()
    assert few_low[0] < many_low[0] < 0.03 < many_high[0] < few_high[0]


def test_successes_beyond_their_trials_count_as_all_of_them() -> None:
    found = posterior(pair_s=50, pair_t=10)
    assert 0 < found.mean[0] < 1
    assert found.beta[0] > 0
