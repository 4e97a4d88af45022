"""What comes of a won auction: the impression, and by the true rates a click and an order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import numpy as np

from cli.simulation.traffic import AOV, Visit

SHOWN_AFTER = timedelta(milliseconds=200)
# Means: a click comes within seconds, an order within hours.
CLICK_S, ORDER_S = 8.0, 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Report:
    """An event that the ad server will send once it has happened, always under the same id."""

    at: datetime
    type: str
    decision_id: str
    context: Mapping[str, str]
    value: float | None = None
    event_id: str = field(default_factory=lambda: str(uuid4()))

    def body(self) -> dict[str, Any]:
        event: dict[str, Any] = {
            "event_id": self.event_id,
            "type": self.type,
            "decision_id": self.decision_id,
            "occurred_at": self.at.isoformat(),
            "context": self.context,
            "simulated": True,
        }
        return event if self.value is None else event | {"value": self.value}


def draw(decision_id: str, visit: Visit, bid_id: str, rng: np.random.Generator) -> list[Report]:
    """The winner's events, in their order.

    They carry their context, so that they count even where a crash took their decision's log.
    """
    offer, context = visit.offers[bid_id], visit.context(bid_id)
    shown_at = visit.at + SHOWN_AFTER
    found = [Report(shown_at, "impression", decision_id, context)]
    if rng.random() >= offer.ctr:
        return found
    clicked_at = shown_at + timedelta(seconds=float(rng.exponential(CLICK_S)))
    found.append(Report(clicked_at, "click", decision_id, context))
    if rng.random() < offer.cvr:
        ordered_at = clicked_at + timedelta(seconds=float(rng.exponential(ORDER_S)))
        value = round(float(AOV * rng.lognormal(0, 0.3)), 2)
        found.append(Report(ordered_at, "conversion", decision_id, context, value))
    return found
