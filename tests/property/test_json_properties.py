"""A bundle survives JSON: what is sent is what is decided, and what is decided is answered."""

import json
import math
from datetime import UTC

import msgspec
import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from bidding.auction import Winner
from bidding.reasons import Reason
from deployments.score_answer import ScoreAnswer, Versions, encode
from deployments.score_request import BidIn, ScoreRequest, decode, to_bids
from tests.engine_cases import Case
from tests.property.test_engine_properties import cases

IDS = st.integers(1, 2**63 - 1)
KEYS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20)
LABELS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
AMOUNTS = st.floats(0.0, 1.0)
VALUES = st.floats(0.0, 1e9)
ORDER_VALUES = st.floats(0.0, 1e9, exclude_min=True)


@st.composite
def bids(draw: st.DrawFn) -> BidIn:
    ours = draw(st.booleans())
    low, high = sorted((draw(VALUES), draw(VALUES)))
    return BidIn(
        bid_id=draw(KEYS),
        pricing_model=draw(st.sampled_from(["CPM", "CPC", "CPA", "CPA_PERCENT"])),
        amount=draw(AMOUNTS),
        brand_id=draw(IDS) if ours else None,
        brand=None if ours else draw(KEYS),
        creative_type=draw(LABELS),
        creative=draw(LABELS),
        aov=draw(ORDER_VALUES),
        min_vpi=draw(st.none() | st.just(low)),
        max_vpi=draw(st.none() | st.just(high)),
    )


@st.composite
def requests(draw: st.DrawFn) -> ScoreRequest:
    ours = draw(st.booleans())
    return ScoreRequest(
        bids=draw(st.lists(bids(), min_size=1, max_size=4, unique_by=lambda bid: bid.bid_id)),
        slot_id=draw(IDS) if ours else None,
        slot=None if ours else draw(KEYS),
        device_type=draw(LABELS),
        timestamp=draw(st.none() | st.datetimes(timezones=st.just(UTC))),
        segments=draw(st.lists(LABELS, max_size=3)),
        auction=draw(st.sampled_from(["first_price", "second_price"])),
        tmax_ms=draw(st.floats(1, 10_000)),
        explain=draw(st.booleans()),
    )


@given(sent=requests())
def test_a_request_is_read_as_it_was_meant(sent: ScoreRequest) -> None:
    read = decode(msgspec.json.encode(sent))
    assert read == sent
    columns = to_bids(read.bids, [0] * len(read.bids))
    for index, bid in enumerate(sent.bids):
        assert columns.bid_ids[index] == bid.bid_id
        assert columns.amounts[index] == bid.amount
        assert columns.aov[index] == bid.aov
        for column, value in ((columns.min_vpi, bid.min_vpi), (columns.max_vpi, bid.max_vpi)):
            assert math.isnan(column[index]) if value is None else column[index] == value


@given(case=cases(), degraded=st.lists(KEYS, max_size=2))
def test_an_answer_says_what_was_decided(case: Case, degraded: list[str]) -> None:
    evaluation = case.evaluate()
    body = encode("d", 7, Versions("3", None), tuple(degraded), evaluation, None)
    answer = msgspec.json.decode(body, type=ScoreAnswer)
    assert msgspec.json.encode(answer) == body
    assert json.loads(body) == msgspec.to_builtins(answer)
    assert answer.degraded == degraded
    rows = {result.bid_id: result for result in answer.results}
    assert len(rows) == len(case.bids)
    for index, bid_id in enumerate(case.bids.bid_ids):
        row, vpi = rows[bid_id], evaluation.vpi[index]
        assert row.brand_id == case.bids.brand_ids[index]
        assert (row.rank or 0) == evaluation.rank[index]
        assert Reason(row.reason_code) == evaluation.reason[index]
        assert row.vpi == (vpi if np.isfinite(vpi) else 0.0)
        assert row.ctr == evaluation.odds.ctr[index]
    won = evaluation.winner
    assert (answer.winner is None) == (not isinstance(won, Winner))
    if answer.winner is not None and isinstance(won, Winner):
        assert rows[answer.winner.bid_id].rank == 1
        assert answer.winner.clearing_price == won.clearing_vpi
        assert answer.winner.clearing_amount == won.clearing_amount
