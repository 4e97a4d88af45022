"""Reasons are a contract: the documented table and the code must say the same."""

import re
from pathlib import Path

import pytest

from bidding.reasons import Reason

DOCS = Path(__file__).parents[2] / "docs" / "reason-codes.md"
ROW = re.compile(r"^\| (\d+) \| `(\w+)` \|", re.MULTILINE)


def test_the_documented_table_is_the_codes_table() -> None:
    documented = {name: int(number) for number, name in ROW.findall(DOCS.read_text())}
    assert documented == {reason.name: reason.value for reason in Reason}


@pytest.mark.parametrize("reason", Reason)
def test_no_bids_are_below_100_and_the_winner_is_0(reason: Reason) -> None:
    assert reason.is_no_bid == (1 <= reason < 100)
    assert (reason is Reason.WON) == (reason == 0)
