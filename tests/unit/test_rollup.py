"""How long an event waits for its decision."""

from datetime import timedelta

import pytest

from bidding.events import Event
from bidding.rollup import LOGGED_WITHIN, Queued, sort_out
from tests.event_cases import HERE, NOW, an_event, terms

DAY = timedelta(days=1)
MOMENT = timedelta(seconds=1)


def waits(event: Event, waited: timedelta | None) -> bool:
    """Whether an event that has waited for so long (None: it is new) waits on."""
    since = None if waited is None else NOW - waited
    return bool(sort_out([Queued(event, since)], {}, NOW, DAY).waiting)


@pytest.mark.parametrize(
    ("waited", "waits_on"), [(None, True), (LOGGED_WITHIN, True), (LOGGED_WITHIN + MOMENT, False)]
)
def test_with_a_context_an_event_waits_a_minute_however_old_its_decision_is(
    waited: timedelta | None, waits_on: bool
) -> None:
    assert waits(an_event(context=HERE, occurred_at=NOW - DAY), waited) is waits_on


@pytest.mark.parametrize(("waited", "waits_on"), [(None, True), (DAY, True), (DAY + MOMENT, False)])
def test_without_one_it_waits_until_it_is_given_up(
    waited: timedelta | None, waits_on: bool
) -> None:
    assert waits(an_event(), waited) is waits_on


def test_a_logged_decision_ends_the_wait() -> None:
    event = an_event(context=HERE)
    (resolved,) = sort_out([Queued(event, NOW)], {terms().decision_id: terms()}, NOW, DAY).resolved
    assert (resolved.pending, resolved.bid_id) == (False, "b1")
