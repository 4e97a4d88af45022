"""A plain FastAPI service as people write it: pydantic in and out, Redis read, XGBoost here."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import redis.asyncio as redis
from fastapi import FastAPI

from benchmarks.peers import ranking
from benchmarks.peers.shapes import Answer, Bundle, Ranked


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.state.redis = redis.from_url(os.environ["REDIS_URL"])
    app.state.booster = ranking.load(Path(os.environ["PEER_MODEL"]))
    yield
    await app.state.redis.aclose()


app = FastAPI(lifespan=lifespan)


@app.post("/api/score")
async def score(bundle: Bundle) -> Answer:
    raw = await app.state.redis.get(f"peer:slot:{bundle.slot_id}")
    slot = json.loads(raw)
    at = bundle.timestamp or datetime.now(UTC)
    rows = ranking.matrix(
        slot, bundle.device_type, [bid.creative_type for bid in bundle.bids], at.hour
    )
    ctr = app.state.booster.inplace_predict(rows).tolist()
    ranked = ranking.rank(ctr, [bid.amount for bid in bundle.bids])
    return Answer(
        slot_id=bundle.slot_id,
        results=[
            Ranked(bid_id=bundle.bids[index].bid_id, rank=place + 1, vpi=value)
            for place, (index, value) in enumerate(ranked)
        ],
    )


@app.get("/healthz")
async def healthz() -> dict[str, str]:
    return {"status": "ok"}
