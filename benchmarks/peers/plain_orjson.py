"""The plain service stripped: raw Starlette, orjson in and out, nothing validated."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import orjson
import redis.asyncio as redis
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from benchmarks.peers import ranking


@asynccontextmanager
async def lifespan(app: Starlette) -> AsyncIterator[None]:
    app.state.redis = redis.from_url(os.environ["REDIS_URL"])
    app.state.booster = ranking.load(Path(os.environ["PEER_MODEL"]))
    yield
    await app.state.redis.aclose()


async def score(request: Request) -> Response:
    bundle = orjson.loads(await request.body())
    slot = orjson.loads(await request.app.state.redis.get(f"peer:slot:{bundle['slot_id']}"))
    stamp = bundle.get("timestamp")
    at = datetime.fromisoformat(stamp) if stamp else datetime.now(UTC)
    bids = bundle["bids"]
    creatives = [bid["creative_type"] for bid in bids]
    rows = ranking.matrix(slot, bundle["device_type"], creatives, at.hour)
    ctr = request.app.state.booster.inplace_predict(rows).tolist()
    ranked = ranking.rank(ctr, [bid["amount"] for bid in bids])
    results = [
        {"bid_id": bids[index]["bid_id"], "rank": place + 1, "vpi": value}
        for place, (index, value) in enumerate(ranked)
    ]
    answer = orjson.dumps({"slot_id": bundle["slot_id"], "results": results})
    return Response(answer, media_type="application/json")


async def healthz(_: Request) -> Response:
    return Response(b'{"status":"ok"}', media_type="application/json")


app = Starlette(
    routes=[Route("/api/score", score, methods=["POST"]), Route("/healthz", healthz)],
    lifespan=lifespan,
)
