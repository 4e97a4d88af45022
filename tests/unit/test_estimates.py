"""Posteriors picked from a slot's table are those worked out for the bundle alone."""

from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest

from bidding.bundle import Brand, RuleBook, Strategy
from deployments import estimates
from deployments.estimates import Estimator, Posteriors
from deployments.rules_view import RulesView, view_of
from deployments.score_request import ScoreRequest, decode
from deployments.slot_source import default_slot
from stores.feature_types import Counts, PairCounts, RulesSnapshot, SlotFeatures

# Brand 9 is unknown to the rules, though the slot has seen it.
BIDDING = (2, 9, 1, 2)
NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.fixture(scope="module")
def view() -> RulesView:
    brands = {number: Brand(number, 1) for number in (1, 2, 3)}
    book = RuleBook({1: Strategy(1, "Balanced", 1.0, 0)}, brands)
    return view_of(RulesSnapshot(book, {"acme": 1}, {1: Counts(900.0, 30.0, 2.0)}, {}))


@pytest.fixture(scope="module")
def slot() -> SlotFeatures:
    seen = np.array([[500.0, 90.0], [40.0, 1.0], [3.0, 0.0]])
    pairs = PairCounts(np.array([2, 9], np.int64), seen, seen)
    return replace(default_slot(7), decayed=Counts(2_000.0, 70.0, 4.0), pairs=pairs)


@pytest.fixture(scope="module")
def asked() -> ScoreRequest:
    bid = '{{"bid_id":"b{}","brand_id":{},"pricing_model":"CPC","amount":1,"creative":"c{}"}}'
    bids = ",".join(bid.format(number, brand, number) for number, brand in enumerate(BIDDING))
    return decode(f'{{"slot_id":7,"bids":[{bids}]}}'.encode())


def means(found: Posteriors) -> tuple[np.ndarray, ...]:
    return found.ctr, found.cvr, found.slot_rate, found.brand_rate


def test_a_table_gives_what_working_out_gives(
    view: RulesView, slot: SlotFeatures, asked: ScoreRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = view.rules.rows_of(np.array(BIDDING, np.int64))
    picked, by_table = Estimator.from_configs().estimate(asked, NOW, view, slot, rows)
    monkeypatch.setattr(estimates, "LARGEST_TABLE", 0)
    alone, by_hand = Estimator.from_configs().estimate(asked, NOW, view, slot, rows)

    assert picked.rows is not None
    assert alone.rows is None
    np.testing.assert_array_equal(means(picked), means(alone))
    np.testing.assert_array_equal(picked.intervals(), alone.intervals())
    np.testing.assert_array_equal(by_table.rows, by_hand.rows)


def test_an_interval_is_its_pairs_own(
    view: RulesView, slot: SlotFeatures, asked: ScoreRequest
) -> None:
    rows = view.rules.rows_of(np.array(BIDDING, np.int64))
    found, _ = Estimator.from_configs().estimate(asked, NOW, view, slot, rows)
    ctr, cvr = found.intervals()

    assert ctr.shape == cvr.shape == (len(BIDDING), 2)
    assert (ctr[:, 0] < found.ctr).all()
    assert (found.ctr < ctr[:, 1]).all()
    np.testing.assert_array_equal(ctr[0], ctr[3])
    assert ctr[0, 1] - ctr[0, 0] < ctr[1, 1] - ctr[1, 0]  # of a pair that was seen more
    assert found.ctr[0] > found.ctr[2] > found.ctr[1]  # 8% on this slot, 3% elsewhere, unknown
