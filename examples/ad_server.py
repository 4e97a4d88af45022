"""An ad server in a hundred lines: ask for a decision, show the winner, report what happened.

    python examples/ad_server.py --url http://127.0.0.1:8000 --pages 20

Give a key with ADBID_KEY where the service wants one (`adbid keys create my-server --scope score`).
Clicks are made up here with the estimated rate; a real server reports real ones.
"""

import argparse
import os
import random
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import httpx

DEADLINE_MS = 25
# The service keeps its own deadline; this is for a network that is gone.
PATIENCE_S = 1.0
Bid = dict[str, Any]
Event = dict[str, Any]


def bids_for_page() -> list[Bid]:
    """What our campaigns offer for this impression, each in its own currency of intent."""
    return [
        {"bid_id": "spring", "brand_id": 3, "pricing_model": "CPC", "amount": 0.50},
        {"bid_id": "launch", "brand_id": 1, "pricing_model": "CPM", "amount": 2.40},
        {"bid_id": "orders", "brand_id": 2, "pricing_model": "CPA", "amount": 20.0},
    ]


class AdServer:
    """Talks to the decision service; shows a house ad when there is no answer."""

    def __init__(self, client: httpx.Client, chance: random.Random) -> None:
        self.client, self.chance = client, chance
        self.events: list[Event] = []

    def serve(self, slot_id: int, device: str) -> str | None:
        """The bid to show on this page, None for a house ad."""
        bundle = {
            "slot_id": slot_id,
            "device_type": device,
            "tmax_ms": DEADLINE_MS,
            "bids": bids_for_page(),
        }
        try:
            answer = self.client.post("/api/score", json=bundle)
        except httpx.TransportError:
            return None
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # overloaded: try the next page
            return None
        decision = answer.raise_for_status().json()
        winner = decision["winner"]
        if winner is None:
            return None
        self.events += self.happened(decision["decision_id"], rate_of(decision))
        return str(winner["bid_id"])

    def happened(self, decision_id: str, ctr: float) -> Iterator[Event]:
        """An impression, and now and then a click."""
        yield event("impression", decision_id)
        if self.chance.random() < ctr:
            yield event("click", decision_id)

    def report(self) -> dict[str, Any]:
        """Send what happened. Safe to repeat after a failure: each event_id counts once."""
        if not self.events:
            return {}
        answer = self.client.post("/api/events", json={"events": self.events[:1000]})
        taken: dict[str, Any] = answer.raise_for_status().json()
        del self.events[:1000]
        return taken


def rate_of(decision: dict[str, Any]) -> float:
    """The winner's estimated click rate."""
    results = {result["bid_id"]: result for result in decision["results"]}
    return float(results[decision["winner"]["bid_id"]]["ctr"])


def event(kind: str, decision_id: str) -> Event:
    now = datetime.now(UTC).isoformat()
    event_id = str(uuid.uuid4())
    return {"event_id": event_id, "type": kind, "decision_id": decision_id, "occurred_at": now}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--url", default="http://127.0.0.1:8000")
    options.add_argument("--slot", type=int, default=7)
    options.add_argument("--pages", type=int, default=20)
    asked = options.parse_args()
    key = os.environ.get("ADBID_KEY")
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=asked.url, headers=headers, timeout=PATIENCE_S) as client:
        server = AdServer(client, random.Random(7))  # noqa: S311 - visitors, not secrets
        for page in range(asked.pages):
            shown = server.serve(asked.slot, "mobile" if page % 2 else "desktop")
            print(f"page {page + 1}: {shown or 'house ad'}")
        print("reported:", server.report())


if __name__ == "__main__":
    main()
