"""The in-memory twin of `stores.decisions.PostgresDecisions`."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from bidding.decision_ids import decided_at
from bidding.errors import StoreUnavailable
from bidding.events import DecisionTerms, ServedBid
from stores.decision_totals import MinuteTotals, minute_totals
from stores.decision_types import (
    ROW_COLUMNS,
    BidsRow,
    LoggedDecision,
    Row,
    RowRefused,
    Search,
    logged_of,
)
from stores.decisions import PAGE, served_others


class MemoryDecisions:
    """`down` makes it unavailable; `refuses` names decisions that it never takes; `slots` are our
    ids by external key."""

    def __init__(self) -> None:
        self.slots: dict[str, int] = {}
        self._decisions: dict[UUID, LoggedDecision] = {}
        self.minutes: MinuteTotals = Counter()
        self.down = False
        self.refuses: set[UUID] = set()

    async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
        self._check()
        if any(row[0] in self.refuses or row[0] in self._decisions for row in rows):
            raise RowRefused("refused")
        self.minutes.update(minute_totals(rows))
        packed = {row.decision_id: _columns_of(row) for row in bids}
        for row in rows:
            columns = dict(zip(ROW_COLUMNS, row, strict=True))
            self._decisions[row[0]] = logged_of(columns | packed.get(row[0], {}))

    async def known(self, rows: Sequence[Row]) -> set[UUID]:
        self._check()
        return {row[0] for row in rows if row[0] in self._decisions}

    async def fetch_one(self, decision_id: UUID) -> LoggedDecision | None:
        self._check()
        return self._decisions.get(decision_id)

    async def search(self, search: Search) -> list[LoggedDecision]:
        self._check()
        found = [d for d in self._newest_first() if _matches(d, search)]
        return [replace(decision, bids=None) for decision in found[: search.limit]]

    async def fetch_recent(
        self, limit: int, *, simulated: bool | None = None
    ) -> AsyncIterator[list[LoggedDecision]]:
        self._check()
        kept = [d for d in self._newest_first() if d.bids is not None]
        found = [d for d in kept if simulated in (None, d.simulated)][:limit]
        for start in range(0, len(found), PAGE):
            yield found[start : start + PAGE]

    def terms(self, decision_id: UUID, names: set[str]) -> DecisionTerms | None:
        """What `stores.decisions.fetch_terms` tells of one decision."""
        decision = self._decisions.get(decision_id)
        if decision is None:
            return None
        winner = decision.winner
        served = (
            None
            if winner is None
            else ServedBid(
                winner.bid_id,
                winner.brand_id,
                winner.creative_type,
                winner.pricing_model,
                winner.clearing_amount,
            )
        )
        others = {} if decision.bids is None else served_others(decision.bids, names)
        slot_id = decision.slot_id or self.slots.get(decision.context.get("slot", ""), 0)
        return DecisionTerms(
            decision_id, slot_id, decision.device_type, served, decision.simulated, others
        )

    def _newest_first(self) -> Iterator[LoggedDecision]:
        yield from sorted(
            self._decisions.values(), key=lambda d: (d.decided_at, d.decision_id), reverse=True
        )

    def _check(self) -> None:
        if self.down:
            raise StoreUnavailable("PostgreSQL does not answer: down")


def _columns_of(row: BidsRow) -> dict[str, Any]:
    return {"brand_ids": row.brand_ids, "reasons": row.reasons, "packed": row.packed}


def _matches(decision: LoggedDecision, search: Search) -> bool:
    before = search.before
    if decision.decided_at < search.since:
        return False
    place = (decision.decided_at, decision.decision_id)
    if before is not None and place >= (decided_at(before), before):
        return False
    if search.slot_id not in (None, decision.slot_id):
        return False
    return _has_bid(decision, search.brand_id, search.reason)


def _has_bid(decision: LoggedDecision, brand: int | None, reason: int | None) -> bool:
    if brand is None:
        return reason is None or reason in decision.reasons
    pairs: set[tuple[int, int]] = set()
    if decision.bids is not None:
        bids = decision.bids
        pairs = set(zip(bids.bids.brand_ids.tolist(), bids.reason.tolist(), strict=True))
    if reason is not None:
        return (brand, reason) in pairs
    won = decision.winner is not None and decision.winner.brand_id == brand
    return won or brand in {number for number, _ in pairs}
