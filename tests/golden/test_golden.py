"""Runs every case of this folder: the file's name is the sentence it checks."""

import pytest

from bidding.auction import NoWinner
from bidding.reasons import Reason
from tests.engine_cases import Case, golden_cases

CASES = golden_cases()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_file_name_holds(case: Case) -> None:
    evaluation = case.evaluate()
    found = {
        bid_id: (int(rank), Reason(reason).name, vpi)
        for bid_id, rank, reason, vpi in zip(
            case.bids.bid_ids, evaluation.rank, evaluation.reason, evaluation.vpi, strict=True
        )
    }
    assert found.keys() == case.expect["results"].keys()
    for bid_id, expected in case.expect["results"].items():
        rank, reason, vpi = found[bid_id]
        assert (rank, reason) == (expected["rank"], expected["reason"]), bid_id
        assert vpi == pytest.approx(expected.get("vpi", vpi), rel=1e-12, nan_ok=True), bid_id


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_winner_and_its_price_hold(case: Case) -> None:
    winner = case.evaluate().winner
    expected = case.expect["winner"]
    if expected is None:
        assert isinstance(winner, NoWinner)
        return
    assert not isinstance(winner, NoWinner)
    assert case.bids.bid_ids[winner.index] == expected["bid_id"]
    assert winner.clearing_vpi == pytest.approx(expected["clearing_vpi"], rel=1e-12)
    assert winner.clearing_amount == expected["clearing_amount"]
