"""Who is first, and what the first one pays. Comparisons are exact: no tolerance anywhere."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bidding.bundle import AuctionType
from bidding.pricing import Floats

# Prices are given to 12 significant digits, so that 0.90 + 0.01 reads 0.91: far below any
# currency's unit, far above the noise of float64. A nudge moves the last of them up.
_DIGITS = 12
_NUDGE = 1e-11


@dataclass(frozen=True, slots=True)
class Winner:
    """The bid that won and what it pays.

    `clearing_vpi` is per impression; `clearing_amount` is the same price in the winner's own
    pricing model (per 1,000 impressions, per click, per conversion, share of order value).
    """

    index: int
    clearing_vpi: float
    clearing_amount: float


@dataclass(frozen=True, slots=True)
class NoWinner:
    """No bid of the bundle was ranked; each bid's own reason says why."""


class Contender(NamedTuple):
    """A ranked bid as the ranking sees it."""

    vpi: float
    uncapped_vpi: float
    priority: int
    amount: float
    bid_id: str

    def outranks(self, other: "Contender") -> bool:
        """By VPI, then strategy priority, then amount, then the lower bid id."""
        mine = (self.vpi, self.priority, self.amount)
        theirs = (other.vpi, other.priority, other.amount)
        return mine > theirs or (mine == theirs and self.bid_id < other.bid_id)


class Reserve(NamedTuple):
    """What the winner must reach on its own account: VPI, 0 and infinite where there is none."""

    floor: float
    min_vpi: float
    max_vpi: float


class Price(NamedTuple):
    """What a bid pays, per impression and in its own pricing model."""

    vpi: float
    amount: float


def rank_order(
    entered: NDArray[np.intp],
    vpi: Floats,
    priorities: NDArray[np.int64],
    amounts: Floats,
    bid_ids: Sequence[str],
) -> NDArray[np.intp]:
    """The `entered` indices from best to worst, in the order of `Contender.outranks`.

    The later keys are read only when values tie: sorting text costs more than all the rest.
    """
    negated = -vpi.take(entered)
    order = negated.argsort()
    ordered = negated.take(order)
    if (ordered[1:] == ordered[:-1]).any():
        ids = [bid_ids[i] for i in entered.tolist()]
        id_rank = np.empty(len(ids), np.int64)
        id_rank[sorted(range(len(ids)), key=ids.__getitem__)] = np.arange(len(ids))
        keys = (id_rank, -amounts.take(entered), -priorities.take(entered), negated)
        order = np.lexsort(keys)
    return entered.take(order)


def clearing_price(
    auction: AuctionType,
    winner: Contender,
    rivals: Sequence[Contender],
    reserve: Reserve,
    increment: float,
    worth: Callable[[Floats], Floats],
) -> Price:
    """What the winner pays; `rivals` holds the runner-up, or nothing.

    First price: its own bid. Second price plus (OpenRTB 2.6): the runner-up's VPI plus
    `increment` (VPI), never above its own, so a tie clears at the tied price. A sole bidder
    clears at its reserve, which is accepted as it is: the slot's floor or the bid's
    `min_vpi`, or one increment where there is neither (its own bid where that is 0 too).
    A capped winner pays the smallest amount that reaches its cap, in a first price too.
    `worth` gives the uncapped VPI of each amount the winner might have bid.
    """
    target = winner.vpi
    if auction is AuctionType.SECOND_PRICE:
        target = min(target, _second_price(rivals, reserve, increment))
    if target == winner.vpi == winner.uncapped_vpi:
        return Price(winner.vpi, winner.amount)
    return _smallest_winning(target, winner, rivals, reserve, worth)


def _second_price(rivals: Sequence[Contender], reserve: Reserve, increment: float) -> float:
    own_reserve = max(reserve.floor, reserve.min_vpi)
    if not rivals:
        return own_reserve or increment or math.inf
    return max(own_reserve, rivals[0].vpi + increment)


def _smallest_winning(
    target: float,
    winner: Contender,
    rivals: Sequence[Contender],
    reserve: Reserve,
    worth: Callable[[Floats], Floats],
) -> Price:
    """The smallest amount that reaches `target` and still wins, by trying it.

    The value of an amount is rounded like any other, so an amount computed backwards may
    fall a hair short: candidates go up from it to the winner's own amount, which does win.
    """
    amounts = _candidates(max(target, reserve.min_vpi), winner, rivals)
    reach = target if target == winner.vpi else target * (1.0 - _NUDGE)
    for amount, uncapped in zip(amounts.tolist(), worth(amounts).tolist(), strict=True):
        vpi = min(uncapped, reserve.max_vpi)
        bid = Contender(vpi, uncapped, winner.priority, amount, winner.bid_id)
        allowed = vpi >= max(reach, reserve.floor) and uncapped >= reserve.min_vpi and vpi > 0.0
        if allowed and all(bid.outranks(rival) for rival in rivals):
            return Price(vpi, amount)
    return Price(winner.vpi, winner.amount)


def _candidates(uncapped: float, winner: Contender, rivals: Sequence[Contender]) -> Floats:
    """Amounts to try, smallest first, all below the winner's own.

    A rival's amount is among them where its VPI ties with the winner's, as amount may decide.
    """
    proportional = winner.amount * (uncapped / winner.uncapped_vpi)
    tied = (rival.amount for rival in rivals if rival.vpi == winner.vpi)
    rounded = [_round(amount) for amount in (proportional, *tied)]
    tried = {*rounded, *(_round(amount * (1.0 + _NUDGE)) for amount in rounded)}
    return np.array(sorted(amount for amount in tried if amount < winner.amount), np.float64)


def _round(amount: float) -> float:
    return float(f"{amount:.{_DIGITS}g}")
