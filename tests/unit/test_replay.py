import numpy as np
import pytest

from training.replay import Market, fit_level, replay


def market(n: int = 2_000, seed: int = 1) -> Market:
    rng = np.random.default_rng(seed)
    scores = rng.beta(1, 50, n)
    clicks = (rng.random(n) < scores).astype(float)
    return Market(scores, rng.uniform(10, 300, n), np.ones(n), clicks)


def test_the_fitted_level_spends_the_budget_on_a_like_market() -> None:
    training, later = market(20_000, 1), market(20_000, 2)
    budget = 0.3 * later.cost
    level = fit_level(training, budget / len(later.prices))
    found = replay(later, budget, level)
    assert found.spend == pytest.approx(budget, rel=0.05)
    assert found.spend <= budget * (1 + 1e-9)


def test_bids_that_follow_the_rate_keep_more_clicks_than_a_constant_bid() -> None:
    training, later = market(20_000, 1), market(20_000, 2)
    budget = 0.3 * later.cost
    flat = Market(np.ones(20_000), training.prices, training.weights, training.clicks)
    flat_later = Market(np.ones(20_000), later.prices, later.weights, later.clicks)
    per_impression = budget / len(later.prices)
    ours = replay(later, budget, fit_level(training, per_impression))
    constant = replay(flat_later, budget, fit_level(flat, per_impression))
    assert ours.clicks > 1.3 * constant.clicks


def test_an_ample_budget_wins_everything_and_none_wins_nothing() -> None:
    rows = market()
    everything = replay(rows, 2 * rows.cost, fit_level(rows, 1e9))
    assert everything.impressions == len(rows.prices)
    assert everything.click_share == 1.0
    nothing = replay(rows, 0.0, fit_level(rows, 0.0))
    assert (nothing.impressions, nothing.spend, nothing.ecpc) == (0.0, 0.0, None)


def test_an_exhausted_budget_stops_and_wins_the_last_row_in_part() -> None:
    rows = Market(np.ones(3), np.full(3, 1000.0), np.ones(3), np.array([1.0, 1.0, 1.0]))
    found = replay(rows, 1.5, 2000.0)
    assert found.impressions == pytest.approx(1.5)
    assert found.clicks == pytest.approx(1.5)
    assert found.stopped_early


def test_rows_without_a_price_are_not_for_sale() -> None:
    rows = Market(np.ones(2), np.array([np.nan, 1000.0]), np.ones(2), np.ones(2))
    assert replay(rows, 10.0, 5_000.0).impressions == 1.0
