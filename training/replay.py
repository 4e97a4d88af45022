"""Replaying a log under a budget: what would have been won at these bids, and what it brought.

An impression is won when the bid is at least its logged market price, and that price is paid
(Zhang et al., "Real-time bidding benchmarking with iPinYou dataset", 2014). The level of bids is
fitted on training rows alone.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq

from bidding.pricing import Floats

PER_THOUSAND = 1000.0
_LEVELS = (1e-6, 1e12)


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """n impressions for sale: `scores` float64[n] > 0 that bids are proportional to, `prices`
    float64[n] market prices (CPM), `weights` float64[n] impressions a row stands for, `clicks`
    float64[n] 0 or 1."""

    scores: Floats
    prices: Floats
    weights: Floats
    clicks: Floats

    def known(self) -> "Market":
        """Only rows whose price is known."""
        mine = np.isfinite(self.prices)
        return Market(self.scores[mine], self.prices[mine], self.weights[mine], self.clicks[mine])

    @property
    def cost(self) -> float:
        """What all of it costs, in the prices' currency."""
        return float((self.prices * self.weights).sum() / PER_THOUSAND)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What was won: impressions, clicks, money, and money per click."""

    impressions: float
    clicks: float
    spend: float
    ecpc: float | None
    click_share: float
    cost_share: float
    level: float
    stopped_early: bool


def fit_level(training: Market, budget_per_impression: float) -> float:
    """The bid per unit of score that spends `budget_per_impression` on the training rows.

    A level that buys everything when the budget is ample.
    """
    known = training.known()
    impressions = float(known.weights.sum())
    if impressions <= 0 or budget_per_impression <= 0:
        return 0.0

    def excess(log_level: float) -> float:
        spent = _spend(known, float(np.exp(log_level))) / impressions
        return spent - budget_per_impression

    low, high = np.log(_LEVELS)
    if excess(high) <= 0:
        return _LEVELS[1]
    if excess(low) >= 0:
        return _LEVELS[0]
    return float(np.exp(brentq(excess, low, high, xtol=1e-6)))


def replay(market: Market, budget: float, level: float) -> Replayed:
    """Bid `level * score` for the rows in their order until the budget is spent.

    The row that exhausts the budget is won in part.
    """
    known = market.known()
    bids = level * known.scores
    costs = np.where(bids >= known.prices, known.prices * known.weights, 0.0) / PER_THOUSAND
    before = np.cumsum(costs) - costs
    part = np.clip((budget - before) / np.where(costs > 0, costs, 1.0), 0.0, 1.0)
    won = np.where(bids >= known.prices, part, 0.0)
    spend = float((costs * part).sum())
    clicks = float((won * known.clicks * known.weights).sum())
    everything = float((known.clicks * known.weights).sum())
    return Replayed(
        impressions=float((won * known.weights).sum()),
        clicks=clicks,
        spend=spend,
        ecpc=spend / clicks if clicks else None,
        click_share=clicks / everything if everything else 0.0,
        cost_share=spend / known.cost if known.cost else 0.0,
        level=level,
        stopped_early=bool(costs.sum() > budget),
    )


def _spend(market: Market, level: float) -> float:
    won = level * market.scores >= market.prices
    return float((market.prices * market.weights)[won].sum() / PER_THOUSAND)
