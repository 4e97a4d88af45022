"""Ranking and clearing on their own; in a bundle they are in the golden cases."""

import itertools

import numpy as np
import pytest

from bidding.auction import Contender, Price, Reserve, clearing_price, rank_order
from bidding.bundle import AuctionType
from bidding.pricing import Floats

NO_RESERVE = Reserve(floor=0.0, min_vpi=0.0, max_vpi=np.inf)


def contender(vpi: float, amount: float = 1.0, priority: int = 0, bid_id: str = "b") -> Contender:
    return Contender(vpi, vpi, priority, amount, bid_id)


def as_cpm(amounts: Floats) -> Floats:
    return amounts / 1000.0


def clear(winner: Contender, *rivals: Contender, increment: float = 1e-5) -> Price:
    return clearing_price(
        AuctionType.SECOND_PRICE, winner, rivals, NO_RESERVE, increment, worth=as_cpm
    )


LADDER = [
    contender(0.002, bid_id="z"),
    contender(0.001, amount=1.0, priority=2, bid_id="y"),
    contender(0.001, amount=9.0, priority=1, bid_id="x"),
    contender(0.001, amount=1.0, priority=1, bid_id="a"),
    contender(0.001, amount=1.0, priority=1, bid_id="b"),
    contender(0.0005, amount=99.0, priority=9, bid_id="_"),
]


SHUFFLES = list(itertools.permutations(range(len(LADDER))))[::37]


@pytest.mark.parametrize("shuffle", SHUFFLES)
def test_bids_rank_by_vpi_then_priority_then_amount_then_bid_id(shuffle: tuple[int, ...]) -> None:
    bids = [LADDER[i] for i in shuffle]
    order = rank_order(
        np.arange(len(bids)),
        np.array([bid.vpi for bid in bids]),
        np.array([bid.priority for bid in bids]),
        np.array([bid.amount for bid in bids]),
        [bid.bid_id for bid in bids],
    )
    assert [bids[i].bid_id for i in order] == [bid.bid_id for bid in LADDER]


def test_outranks_agrees_with_the_ladder() -> None:
    for (above, better), (below, worse) in itertools.combinations(enumerate(LADDER), 2):
        assert above < below
        assert better.outranks(worse)
        assert not worse.outranks(better)


def test_only_those_entered_are_ranked() -> None:
    vpi = np.array([3.0, 1.0, 2.0])
    same = np.zeros(3, np.int64)
    order = rank_order(np.array([1, 2]), vpi, same, np.ones(3), ["a", "b", "c"])
    assert order.tolist() == [2, 1]


def test_bid_ids_tie_by_code_point_even_with_trailing_nul() -> None:
    ids = ["b\0", "b", "É", "a"]
    order = rank_order(np.arange(4), np.ones(4), np.zeros(4, np.int64), np.ones(4), ids)
    assert [ids[i] for i in order] == sorted(ids) == ["a", "b", "b\0", "É"]


def test_an_increment_that_would_pass_the_winners_bid_clears_at_its_bid() -> None:
    price = clear(contender(0.001, amount=1.0), contender(0.000995, amount=0.995, bid_id="r"))
    assert price == Price(vpi=0.001, amount=1.0)


def test_without_increment_the_price_wins_the_tie_or_passes_it_by_a_hair() -> None:
    rival = contender(0.0009, amount=0.9, priority=1, bid_id="r")
    preferred = clear(contender(0.001, amount=1.0, priority=2), rival, increment=0.0)
    assert preferred == Price(vpi=0.0009, amount=0.9)
    outranked = clear(contender(0.001, amount=1.0, priority=0), rival, increment=0.0)
    assert outranked.amount == pytest.approx(0.9, rel=1e-10)
    assert outranked.amount > 0.9


def test_a_sole_bidder_without_reserve_or_increment_pays_its_own_bid() -> None:
    assert clear(contender(0.001, amount=1.0), increment=0.0) == Price(vpi=0.001, amount=1.0)


def test_a_capped_tie_is_priced_by_the_amount_that_broke_it() -> None:
    """Both reach the cap; the amount decides, so half the bid would have lost the tie."""
    winner = Contender(vpi=0.001, uncapped_vpi=0.004, priority=0, amount=4.0, bid_id="w")
    rival = Contender(vpi=0.001, uncapped_vpi=0.003, priority=0, amount=3.0, bid_id="r")
    reserve = Reserve(floor=0.0, min_vpi=0.0, max_vpi=0.001)
    for auction in AuctionType:
        price = clearing_price(auction, winner, [rival], reserve, 1e-5, worth=as_cpm)
        assert price.vpi == 0.001
        assert price.amount == pytest.approx(3.0, rel=1e-10)
        assert price.amount > 3.0


def test_a_capped_first_price_reaches_its_cap_however_awkward_the_number() -> None:
    cap = 1.0 / 3000.0
    winner = Contender(vpi=cap, uncapped_vpi=0.001, priority=0, amount=1.0, bid_id="w")
    reserve = Reserve(floor=0.0, min_vpi=0.0, max_vpi=cap)
    price = clearing_price(AuctionType.FIRST_PRICE, winner, [], reserve, 1e-5, worth=as_cpm)
    assert price.vpi == cap
    assert price.amount == pytest.approx(1.0 / 3.0, rel=1e-10)
