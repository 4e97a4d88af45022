"""A plain FastAPI service as people write it: pydantic in and out, Redis read, XGBoost here."""

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import redis.asyncio as redis
from fastapi import FastAPI
from pydantic import BaseModel, Field

from benchmarks.peers import ranking


class Bid(BaseModel):
    bid_id: str
    brand_id: int
    pricing_model: str
    amount: float = Field(ge=0)
    creative_type: str = "banner"


class Bundle(BaseModel):
    slot_id: int
    device_type: str = "mobile"
    timestamp: datetime | None = None
    bids: list[Bid] = Field(min_length=1, max_length=1000)


class Ranked(BaseModel):
    bid_id: str
    rank: int
    vpi: float


class Answer(BaseModel):
    slot_id: int
    results: list[Ranked]


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
