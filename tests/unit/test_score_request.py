import json
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from bidding.errors import InvalidRequest, TooLarge
from bidding.pricing import PricingModel
from deployments.score_request import MAX_BODY_BYTES, decode, to_bids


def a_bid(**changes: Any) -> dict[str, Any]:
    bid = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
    return {k: v for k, v in (bid | changes).items() if v is not ...}


def a_body(*bids: dict[str, Any], **changes: Any) -> bytes:
    body = {"slot_id": 7, "bids": list(bids) or [a_bid()]} | changes
    return json.dumps({k: v for k, v in body.items() if v is not ...}).encode()


BAD = {
    "negative amount": (a_body(a_bid(amount=-1)), "bids[0].amount"),
    "NaN amount": (a_body(a_bid(), a_bid(bid_id="b2", amount=float("nan"))), "bids[1].amount"),
    "infinite amount": (a_body(a_bid(amount=float("inf"))), "bids[0].amount"),
    "overflowing amount": (a_body().replace(b"0.5", b"1e999"), "bids[0].amount"),
    "amount as text": (a_body(a_bid(amount="0.5")), "bids[0].amount"),
    "missing amount": (a_body(a_bid(amount=...)), "bids[0]"),
    "unknown pricing model": (a_body(a_bid(pricing_model="CPX")), "bids[0].pricing_model"),
    "misspelt field": (a_body(a_bid(amuont=1)), "bids[0]"),
    "no brand": (a_body(a_bid(brand_id=...)), "bids[0].brand_id"),
    "both brands": (a_body(a_bid(brand="acme")), "bids[0].brand_id"),
    "no slot": (a_body(slot_id=...), "slot_id"),
    "both slots": (a_body(slot="top"), "slot_id"),
    "fractional slot": (a_body(slot_id=1.5), "slot_id"),
    "zero slot": (a_body(slot_id=0), "slot_id"),
    "huge slot": (a_body(slot_id=10**20), "slot_id"),
    "no bids": (b'{"slot_id":7,"bids":[]}', "bids"),
    "bids missing": (b'{"slot_id":7}', ""),
    "null body": (b"null", ""),
    "array body": (b"[]", ""),
    "empty body": (b"", ""),
    "not JSON": (b"{slot_id:7}", ""),
    "not UTF-8": (b"\xff\xfe", ""),
    "trailing garbage": (a_body() + b"x", ""),
    "deep nesting": (b"[" * 100_000, ""),
    "a zone before year 1": (a_body(timestamp="0001-01-01T00:00:00+14:00"), "timestamp"),
    "a zone after year 9999": (a_body(timestamp="9999-12-31T23:59:59-14:00"), "timestamp"),
    "bad time": (a_body(timestamp="yesterday"), "timestamp"),
    "bad auction": (a_body(auction="dutch"), "auction"),
    "no deadline": (a_body(tmax_ms=0), "tmax_ms"),
    "segment not text": (a_body(segments=[1]), "segments[0]"),
    "duplicate bid id": (a_body(a_bid(), a_bid()), "bids[1].bid_id"),
    "crossed thresholds": (a_body(a_bid(min_vpi=2.0, max_vpi=1.0)), "bids[0].min_vpi"),
    "share without order value": (a_body(a_bid(pricing_model="CPA_PERCENT")), "bids[0].aov"),
    "share above one": (
        a_body(a_bid(pricing_model="CPA_PERCENT", amount=5, aov=10)),
        "bids[0].amount",
    ),
    "NUL in a name": (a_body(a_bid(creative="a\0b")), "bids[0].creative"),
    "lone surrogate": (b'{"slot":"\\ud800","bids":[]}', ""),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_field(name: str) -> None:
    body, path = BAD[name]
    with pytest.raises(InvalidRequest) as refused:
        decode(body)
    assert refused.value.status_code == 422
    assert refused.value.problems[0].path == path
    assert refused.value.problems[0].problem


def test_a_backslash_before_u0000_is_not_a_nul() -> None:
    assert decode(a_body(a_bid(creative="\\u0000"))).bids[0].creative == "\\u0000"


def test_more_than_a_thousand_bids_is_too_large() -> None:
    bids = [a_bid(bid_id=f"b{n}") for n in range(1001)]
    with pytest.raises(TooLarge):
        decode(a_body(*bids))
    assert len(decode(a_body(*bids[:1000])).bids) == 1000


def test_more_than_a_mebibyte_is_too_large() -> None:
    with pytest.raises(TooLarge):
        decode(a_body() + b" " * MAX_BODY_BYTES)


def test_a_timestamp_without_a_zone_is_utc_and_none_is_now() -> None:
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    assert decode(a_body()).at(now) == now
    naive = decode(a_body(timestamp="2026-11-23T10:00:00"))
    assert naive.at(now) == datetime(2026, 11, 23, 10, tzinfo=UTC)
    offset = decode(a_body(timestamp="2026-11-23T10:00:00+02:00"))
    assert offset.at(now) == datetime(2026, 11, 23, 8, tzinfo=UTC)


def test_columns_keep_the_bids_order_and_mark_what_was_not_given() -> None:
    request = decode(
        a_body(
            a_bid(min_vpi=0.1),
            a_bid(bid_id="b2", pricing_model="CPA_PERCENT", amount=0.2, aov=50),
        )
    )
    bids = to_bids(request.bids, [3, 0])
    assert list(bids.bid_ids) == ["b1", "b2"]
    assert bids.brand_ids.tolist() == [3, 0]
    assert bids.pricing_models.tolist() == [PricingModel.CPC, PricingModel.CPA_PERCENT]
    assert np.isnan(bids.aov[0])
    assert bids.aov[1] == 50
    assert bids.min_vpi[0] == 0.1
    assert np.isnan(bids.max_vpi).all()
