"""The same service on BentoML, as its guide writes one: a class, a typed route, two workers."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

import bentoml
import redis

from benchmarks.peers import ranking
from benchmarks.peers.shapes import Answer, Bundle, Ranked


@bentoml.service(name="ranking", workers=2, logging={"access": {"enabled": False}})
class Ranking:
    def __init__(self) -> None:
        self._redis = redis.from_url(os.environ["REDIS_URL"])
        self._booster = ranking.load(Path(os.environ["PEER_MODEL"]))

    @bentoml.api(route="/api/score")
    def score(self, bundle: Bundle, /) -> Answer:
        slot = json.loads(self._redis.get(f"peer:slot:{bundle.slot_id}"))
        at = bundle.timestamp or datetime.now(UTC)
        creatives = [bid.creative_type for bid in bundle.bids]
        rows = ranking.matrix(slot, bundle.device_type, creatives, at.hour)
        ctr = self._booster.inplace_predict(rows).tolist()
        ranked = ranking.rank(ctr, [bid.amount for bid in bundle.bids])
        results = [
            Ranked(bid_id=bundle.bids[index].bid_id, rank=place + 1, vpi=value)
            for place, (index, value) in enumerate(ranked)
        ]
        return Answer(slot_id=bundle.slot_id, results=results)
