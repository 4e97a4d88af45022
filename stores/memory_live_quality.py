"""The in-memory twin of `stores.live_quality`."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from bidding.attribution import Outcome, OutcomeKey, Step
from bidding.decision_ids import decided_at
from bidding.watch import Failures, LiveSums
from stores.decision_types import ROW_COLUMNS, Row
from stores.live_quality import ShadowRow, SideBySide, Span, real_or_simulated
from stores.model_registry import CTR_MODEL


class MemoryLiveQuality:
    """`LiveQuality` over rows of `decision`, outcomes and shadow scores."""

    def __init__(self) -> None:
        self.decisions: dict[UUID, dict[str, Any]] = {}
        self.outcomes: dict[OutcomeKey, Outcome] = {}
        self.shadow: list[ShadowRow] = []

    def add(self, row: Row, outcome: Outcome | None = None) -> None:
        """A logged decision with what came of it."""
        self.decisions[row[0]] = dict(zip(ROW_COLUMNS, row, strict=True))
        if outcome is not None:
            self.outcomes[outcome.key] = outcome

    async def served(self, name: str, version: str, span: Span) -> LiveSums:
        found: dict[bool, LiveSums] = {}
        newest = sorted(self.outcomes.values(), key=lambda o: o.key.decision_id, reverse=True)
        counted = [o for o in newest if _in(decided_at(o.key.decision_id), span) and _seen(name, o)]
        for outcome in counted[: span.limit]:
            decision = self.decisions.get(outcome.key.decision_id)
            if decision is None or decision["winner_bid_id"] != outcome.key.bid_id:
                continue
            rate = "ctr" if name == CTR_MODEL else "cvr"
            if f'"{rate}":"{version}"' not in decision["models"]:
                continue
            before = found.get(outcome.simulated, LiveSums())
            predicted = before.predicted + decision[f"winner_{rate}"]
            actual = before.actual + (_happened(name, outcome) is not None)
            found[outcome.simulated] = LiveSums(before.rows + 1, predicted, actual)
        return real_or_simulated(found.get(False), found.get(True))

    async def failures(self, span: Span) -> Failures:
        rows = [d for d in self.decisions.values() if _in(d["decided_at"], span)]
        newest = sorted(rows, key=lambda d: d["decided_at"], reverse=True)[: span.limit]
        return Failures(len(newest), sum("scoring" in d["degraded"] for d in newest))

    async def side_by_side(
        self, name: str, champion: str, challenger: str, span: Span
    ) -> SideBySide:
        rows = [
            row
            for row in self.shadow
            if (row.name, row.champion_version, row.challenger_version)
            == (name, champion, challenger)
            and _in(row.decided_at, span)
        ]
        known = [
            (row, outcome)
            for row in rows
            if (outcome := self.outcomes.get(OutcomeKey(row.decision_id, row.bid_id)))
            and _seen(name, outcome)
        ]
        actual = sum(_happened(name, outcome) is not None for _, outcome in known)
        return SideBySide(
            len(rows),
            LiveSums(len(known), sum(row.champion for row, _ in known), actual),
            LiveSums(len(known), sum(row.challenger for row, _ in known), actual),
        )

    async def record_shadow(self, rows: Sequence[ShadowRow]) -> None:
        self.shadow.extend(rows)

    async def forget_shadow(self, before: datetime) -> None:
        self.shadow = [row for row in self.shadow if row.decided_at >= before]


def _in(at: datetime, span: Span) -> bool:
    return span.since <= at < span.until


def _seen(name: str, outcome: Outcome) -> bool:
    return outcome.impression is not None and (name == CTR_MODEL or outcome.click is not None)


def _happened(name: str, outcome: Outcome) -> Step | None:
    return outcome.click if name == CTR_MODEL else outcome.conversion
