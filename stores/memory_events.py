"""The in-memory twin of `stores.events.PostgresEvents` and `stores.rollup.PostgresRollup`."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from bidding.attribution import Cell, Counts, Keyless, Outcome, OutcomeKey
from bidding.errors import StoreUnavailable
from bidding.events import DecisionTerms, Event, Flag
from bidding.rollup import Queued, sort_out, tally, wanted_decisions, without_unknown
from stores.event_types import Totals
from stores.memory_decisions import MemoryDecisions


@dataclass
class MemoryEvents:
    """Both sides in one: events come in by `record` and are counted by `advance`.

    `down` makes it unavailable; `flags` holds those of each event, by its id.
    """

    decisions: MemoryDecisions
    slot_ids: Collection[int]
    brand_ids: Collection[int]
    give_up_after: timedelta = timedelta(hours=1)
    down: bool = False
    events: dict[str, Event] = field(default_factory=dict)
    flags: dict[str, set[Flag]] = field(default_factory=dict)
    performance: dict[Cell, Counts] = field(default_factory=dict)
    outcomes: dict[OutcomeKey, Outcome] = field(default_factory=dict)
    _keyless: dict[Cell, Keyless] = field(default_factory=dict)
    _queue: list[Queued] = field(default_factory=list)
    _waiting: list[Queued] = field(default_factory=list)
    _owed: set[int] = field(default_factory=set)

    async def record(self, events: Sequence[Event]) -> set[str]:
        self._check()
        fresh: set[str] = set()
        for event in events:
            if event.event_id not in self.events:
                self.events[event.event_id] = event
                self.flags[event.event_id] = set()
                self._queue.append(Queued(event))
                fresh.add(event.event_id)
        return fresh

    async def advance(self) -> int:
        self._check()
        queued = self._queue + self._waiting
        terms: dict[object, DecisionTerms] = {}
        for decision_id, names in wanted_decisions(queued).items():
            if (found := self.decisions.terms(decision_id, names)) is not None:
                terms[decision_id] = found
        sorted_ = sort_out(queued, terms, datetime.now(UTC), self.give_up_after)  # type: ignore[arg-type]
        sorted_ = without_unknown(sorted_, self.slot_ids, self.brand_ids)
        done = tally(sorted_.resolved, self.outcomes, self._keyless)
        self._queue, self._waiting = [], sorted_.waiting
        self.outcomes |= done.outcomes
        self._keyless |= done.keyless
        for cell, counts in done.deltas.items():
            self.performance[cell] = self.performance.get(cell, Counts()) + counts
            self._owed.add(cell.context.slot_id)
        waiting = {each.event.event_id for each in sorted_.waiting}
        for each in queued:
            self._set(each.event.event_id, Flag.PENDING, each.event.event_id in waiting)
        for event in sorted_.uncounted:
            self._set(event.event_id, Flag.UNCOUNTED, True)
        for (event_id, _), flag in done.flags.items():
            self._set(event_id, flag, True)
        for event_id, _ in done.cleared:
            self._set(event_id, Flag.ORPHAN, False)
        return len(queued)

    async def refresh(self) -> int:
        self._check()
        owed, self._owed = len(self._owed), set()
        return owed

    async def backlog(self) -> int:
        self._check()
        return len(self._queue)

    def totals(self) -> Totals:
        """The sums of `performance`."""
        found = sum(self.performance.values(), Counts(revenue=Decimal(0)))
        return Totals(found.impressions, found.clicks, found.conversions, found.revenue)

    def _set(self, event_id: str, flag: Flag, present: bool) -> None:
        (self.flags[event_id].add if present else self.flags[event_id].discard)(flag)

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("PostgreSQL does not answer: down")
