"""Whatever events come in whatever order, the counts are those of the events."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from bidding.attribution import Cell, Counts, Keyless, Outcome, OutcomeKey, hour_of
from bidding.events import Context, EventType, Resolved
from tests.event_cases import HERE, NOW, an_event, an_id

types = st.sampled_from([type_.value for type_ in EventType])
keys = st.tuples(st.integers(1, 3), st.sampled_from(["b1", "b2"]))
moments = st.integers(0, 7200).map(lambda second: NOW - timedelta(seconds=second))


@st.composite
def reports(draw: st.DrawFn) -> list[Resolved]:
    """Up to 12 events of up to 6 served bids; each earns 1."""
    drawn = draw(st.lists(st.tuples(types, keys, moments), max_size=12))
    return [
        Resolved(
            an_event(type_, event_id=str(index), occurred_at=at, decision_id=an_id(number)),
            Context(slot_id=number, brand_id=3),
            bid_id,
            Decimal(1),
            pending=False,
            simulated=False,
        )
        for index, (type_, (number, bid_id), at) in enumerate(drawn)
    ]


def tally(events: list[Resolved]) -> dict[OutcomeKey, Outcome]:
    outcomes: dict[OutcomeKey, Outcome] = {}
    for resolved in events:
        assert resolved.event.decision_id is not None
        key = OutcomeKey(resolved.event.decision_id, resolved.bid_id)
        outcome = outcomes.get(key, Outcome(key, resolved.context or HERE))
        outcomes[key] = outcome.after(resolved)
    return outcomes


def cells(outcomes: dict[OutcomeKey, Outcome]) -> dict[Cell, Counts]:
    found: dict[Cell, Counts] = defaultdict(Counts)
    for outcome in outcomes.values():
        if outcome.cell is not None:
            found[outcome.cell] += outcome.counts
    return found


def seen(events: list[Resolved], type_: EventType) -> set[tuple[object, str]]:
    return {(r.event.decision_id, r.bid_id) for r in events if r.event.type is type_}


@given(reports())
def test_counts_are_those_of_the_events(events: list[Resolved]) -> None:
    total = sum(cells(tally(events)).values(), Counts())
    impressions = seen(events, EventType.IMPRESSION)
    clicks = impressions & seen(events, EventType.CLICK)
    conversions = clicks & seen(events, EventType.CONVERSION)
    counts = (total.impressions, total.clicks, total.conversions)
    assert counts == (len(impressions), len(clicks), len(conversions))
    assert total.revenue == sum(counts)


@given(reports(), st.randoms(use_true_random=False))
def test_the_order_of_events_never_changes_a_count(events: list[Resolved], random: object) -> None:
    shuffled = list(events)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    before, after = (sum(cells(tally(e)).values(), Counts()) for e in (events, shuffled))
    assert before == after


@given(reports())
def test_no_cell_has_more_clicks_than_impressions_nor_conversions_than_clicks(
    events: list[Resolved],
) -> None:
    for counts in cells(tally(events)).values():
        assert counts.impressions >= counts.clicks >= counts.conversions >= 0


@given(reports())
def test_each_event_takes_nothing_away(events: list[Resolved]) -> None:
    before = Counts()
    for length in range(len(events) + 1):
        now = sum(cells(tally(events[:length])).values(), Counts())
        change = now - before
        assert min(change.impressions, change.clicks, change.conversions, change.revenue) >= 0
        before = now


@given(reports())
def test_every_event_counts_or_waits_or_is_a_repeat(events: list[Resolved]) -> None:
    for outcome in tally(events).values():
        steps = {step.event_id for step in (*outcome.counted, *outcome.orphans)}
        first = {
            step.event_id
            for step in (outcome.impression, outcome.click, outcome.conversion)
            if step is not None
        }
        assert steps == first


@given(st.lists(st.tuples(types, st.integers(0, 3)), max_size=12))
def test_keyless_counts_keep_their_order_and_lose_no_impression(
    events: list[tuple[str, int]],
) -> None:
    state = Keyless()
    for type_, revenue in events:
        event = an_event(type_, decision_id=None)
        state = state.after(Resolved(event, HERE, "", Decimal(revenue), False, False))
    counts = state.counts
    assert counts.impressions == sum(type_ == "impression" for type_, _ in events)
    assert counts.impressions >= counts.clicks >= counts.conversions
    assert counts.revenue == sum(revenue for _, revenue in events)


def test_a_late_impression_counts_in_its_own_hour_with_its_click() -> None:
    key = OutcomeKey(an_id(), "b1")
    click = an_event("click", occurred_at=NOW)
    seen_at = NOW - timedelta(hours=5)
    impression = an_event("impression", occurred_at=seen_at)
    outcome = Outcome(key, HERE)
    for event in (click, impression):
        outcome = outcome.after(Resolved(event, HERE, "b1", Decimal(0), False, False))
    assert outcome.cell == Cell(HERE, hour_of(seen_at))
    assert outcome.counts == Counts(1, 1, 0, Decimal(0))
