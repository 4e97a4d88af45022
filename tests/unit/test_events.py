from datetime import timedelta
from decimal import Decimal

import pytest

from bidding.events import Context, Rejection, Resolved, check_time, earned, resolve
from bidding.pricing import PricingModel
from tests.event_cases import HERE, NOW, a_bid, an_event, terms


def test_an_event_is_taken_for_thirty_days() -> None:
    assert check_time(an_event(occurred_at=NOW - timedelta(days=30)), NOW) is None
    late = an_event(occurred_at=NOW - timedelta(days=30, seconds=1))
    assert check_time(late, NOW) is Rejection.TOO_OLD


def test_a_clock_may_be_an_hour_ahead() -> None:
    assert check_time(an_event(occurred_at=NOW + timedelta(hours=1)), NOW) is None
    early = an_event(occurred_at=NOW + timedelta(hours=1, seconds=1))
    assert check_time(early, NOW) is Rejection.IN_FUTURE


def test_the_context_comes_from_the_logged_decision() -> None:
    lying = an_event(context=Context(slot_id=1, brand_id=1))
    found = resolve(lying, terms())
    assert isinstance(found, Resolved)
    assert found.context == HERE
    assert found.bid_id == "b1"
    assert not found.pending


def test_a_decision_that_did_not_know_its_slot_takes_the_event_s() -> None:
    unknown = terms(slot_id=0)
    found = resolve(an_event(context=HERE), unknown)
    assert isinstance(found, Resolved)
    assert found.context == HERE
    assert found.bid_id == "b1"
    found = resolve(an_event(), unknown)
    assert isinstance(found, Resolved)
    assert found.context is not None
    assert found.context.slot_id == 0


def test_another_bid_than_the_winner_may_be_shown() -> None:
    logged = terms(others={"b2": a_bid(bid_id="b2", brand_id=9)})
    found = resolve(an_event(bid_id="b2"), logged)
    assert isinstance(found, Resolved)
    assert found.context is not None
    assert found.context.brand_id == 9


def test_a_bid_that_the_decision_never_saw_is_unknown() -> None:
    assert resolve(an_event(bid_id="b9"), terms()) is Rejection.UNKNOWN_BID
    assert resolve(an_event(), terms(winner=None)) is Rejection.UNKNOWN_BID


def test_an_unknown_bid_with_its_own_context_is_taken() -> None:
    found = resolve(an_event(bid_id="b9", context=HERE, value=Decimal(2)), terms())
    assert isinstance(found, Resolved)
    assert (found.context, found.bid_id, found.revenue) == (HERE, "b9", Decimal(2))


def test_an_event_whose_decision_is_not_logged_waits_for_it() -> None:
    found = resolve(an_event(), None)
    assert isinstance(found, Resolved)
    assert found.pending
    assert found.context is None


def test_an_event_without_decision_needs_its_whole_context() -> None:
    assert resolve(an_event(decision_id=None), None) is Rejection.NO_CONTEXT
    found = resolve(an_event(decision_id=None, context=HERE), None)
    assert isinstance(found, Resolved)
    assert not found.pending


def test_a_simulated_decision_makes_its_events_simulated() -> None:
    found = resolve(an_event(), terms(simulated=True))
    assert isinstance(found, Resolved)
    assert found.simulated


@pytest.mark.parametrize(
    ("model", "price", "type_", "value", "expected"),
    [
        ("CPM", "2.5", "impression", None, "0.0025"),
        ("CPM", "2.5", "click", None, "0"),
        ("CPM", "0.000001", "impression", None, "0.000000001"),
        ("CPC", "0.5", "click", None, "0.5"),
        ("CPC", "0.5", "impression", None, "0"),
        ("CPC", "0.5", "click", "0.4", "0.4"),
        ("CPC", "0.5", "conversion", "60", "0"),
        ("CPA", "20", "conversion", None, "20"),
        ("CPA", "20", "conversion", "60", "20"),
        ("CPA_PERCENT", "0.1", "conversion", "60", "6"),
        ("CPA_PERCENT", "0.1", "conversion", None, "0"),
    ],
)
def test_an_event_earns_what_the_deal_says(
    model: str, price: str, type_: str, value: str | None, expected: str
) -> None:
    bid = a_bid(pricing_model=PricingModel[model], price=Decimal(price))
    event = an_event(type_, value=None if value is None else Decimal(value))
    assert earned(event, bid) == Decimal(expected)
