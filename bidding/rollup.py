"""From events to counts: what one batch of events changes.

Two steps, with a read of the stores between them: `sort_out` gives each event its context from
the logged decisions, `tally` adds them to what is known of their served bids.
"""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

from bidding.attribution import (
    Cell,
    Counts,
    Keyless,
    Outcome,
    OutcomeKey,
    hour_of,
    in_order,
)
from bidding.events import Context, DecisionTerms, Event, Flag, Rejection, Resolved, resolve

# An event that carries its context waits no longer than this for its decision. The log writes
# several times a second, but what it kept while PostgreSQL was away comes after the events that
# were sent again then, however old their decisions are.
LOGGED_WITHIN = timedelta(minutes=1)
_ID_VERSION = 7
_NO_COUNTS = Counts()


@dataclass(frozen=True, slots=True)
class Queued:
    """An event to be counted; `since` is when it first waited for its decision."""

    event: Event
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Sorted:
    """A batch by what can be done with it. `uncounted` never will be counted."""

    resolved: list[Resolved]
    waiting: list[Queued]
    uncounted: list[Event]


@dataclass(slots=True)
class Tally:
    """What a batch changes. `flags` names events that get a flag, `cleared` those that lose it."""

    outcomes: dict[OutcomeKey, Outcome]
    keyless: dict[Cell, Keyless]
    deltas: dict[Cell, Counts] = field(default_factory=dict)
    flags: dict[tuple[str, datetime], Flag] = field(default_factory=dict)
    cleared: set[tuple[str, datetime]] = field(default_factory=set)

    def add(self, cell: Cell, counts: Counts) -> None:
        if counts != _NO_COUNTS:
            self.deltas[cell] = self.deltas.get(cell, _NO_COUNTS) + counts


def wanted_decisions(queued: Iterable[Queued]) -> dict[UUID, set[str]]:
    """The decisions that these events are of, and the bids that they name."""
    wanted: dict[UUID, set[str]] = {}
    for each in queued:
        event = each.event
        if event.decision_id is not None:
            names = wanted.setdefault(event.decision_id, set())
            if event.bid_id:
                names.add(event.bid_id)
    return wanted


def sort_out(
    queued: Iterable[Queued],
    logged: Mapping[UUID, DecisionTerms],
    now: datetime,
    give_up_after: timedelta,
) -> Sorted:
    """Give every event its context; `logged` has those of its decisions that the log has."""
    found = Sorted([], [], [])
    for each in queued:
        event = each.event
        terms = None if event.decision_id is None else logged.get(event.decision_id)
        resolved = resolve(event, terms)
        if isinstance(resolved, Rejection):
            found.uncounted.append(event)
        elif resolved.pending and _may_come(each, now, give_up_after):
            found.waiting.append(replace(each, since=each.since or now))
        elif resolved.context is None:
            found.uncounted.append(event)
        else:
            found.resolved.append(resolved)
    return found


def without_unknown(found: Sorted, slot_ids: Collection[int], brand_ids: Collection[int]) -> Sorted:
    """The same, with events of slots and brands that are not in the catalogue left uncounted."""
    known: list[Resolved] = []
    uncounted = list(found.uncounted)
    for resolved in found.resolved:
        context = context_of(resolved)
        if context.slot_id in slot_ids and context.brand_id in brand_ids:
            known.append(resolved)
        else:
            uncounted.append(resolved.event)
    return Sorted(known, found.waiting, uncounted)


def key_of(resolved: Resolved) -> OutcomeKey | None:
    """The served bid that an event is of; `None` for one that names no decision."""
    decision_id = resolved.event.decision_id
    return None if decision_id is None else OutcomeKey(decision_id, resolved.bid_id)


def cell_of(resolved: Resolved) -> Cell:
    """Where an event that names no decision counts."""
    return Cell(context_of(resolved), hour_of(resolved.event.occurred_at))


def context_of(resolved: Resolved) -> Context:
    """The context, of which `sort_out` made sure."""
    if resolved.context is None:
        raise ValueError("an event without a context can't be counted")
    return resolved.context


def tally(
    resolved: Iterable[Resolved],
    outcomes: Mapping[OutcomeKey, Outcome],
    keyless: Mapping[Cell, Keyless],
) -> Tally:
    """Add events to what is known of their served bids and cells; only what changed is in it."""
    done = Tally({}, {})
    for each in in_order(resolved):
        key = key_of(each)
        if key is None:
            _add_keyless(done, each, keyless)
        else:
            _add_outcome(done, each, key, done.outcomes.get(key) or outcomes.get(key))
    for key, outcome in done.outcomes.items():
        _settle(done, outcomes.get(key), outcome)
    return done


def _may_come(queued: Queued, now: datetime, give_up_after: timedelta) -> bool:
    """Whether the log may still write the decision of this event."""
    event = queued.event
    if event.decision_id is None or event.decision_id.version != _ID_VERSION:
        return False
    longest = give_up_after if event.context is None else min(LOGGED_WITHIN, give_up_after)
    return queued.since is None or now - queued.since <= longest


def _add_keyless(done: Tally, resolved: Resolved, known: Mapping[Cell, Keyless]) -> None:
    cell = cell_of(resolved)
    before = done.keyless.get(cell) or known.get(cell) or Keyless()
    after = done.keyless[cell] = before.after(resolved)
    done.add(cell, after.counts - before.counts)


def _add_outcome(done: Tally, resolved: Resolved, key: OutcomeKey, before: Outcome | None) -> None:
    event = resolved.event
    if before is None:
        before = Outcome(key, context_of(resolved), resolved.simulated)
    after = before.after(resolved)
    if after is before:
        first = before.step(event.type)
        if first is not None and first.event_id != event.event_id:
            done.flags[event.event_id, event.occurred_at] = Flag.REPEAT
        return
    done.outcomes[key] = after


def _settle(done: Tally, before: Outcome | None, after: Outcome) -> None:
    """Count the change of one served bid, flag what waits and unflag what waited."""
    cell = after.cell
    if cell is not None:
        done.add(cell, after.counts if before is None else after.counts - before.counts)
    waited = () if before is None else before.orphans
    waiting = after.orphans
    for step in waiting:
        if step not in waited:
            done.flags[step.event_id, step.occurred_at] = Flag.ORPHAN
    for step in waited:
        if step not in waiting:
            done.cleared.add((step.event_id, step.occurred_at))
