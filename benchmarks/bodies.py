"""The workload: bundles of 100 bids over 100 brands, the same bytes for every service."""

import json
import random
from pathlib import Path
from typing import Any

SCORE = "/api/score"
BRANDS = 100
SLOTS = 8
BUNDLES = 64
# Time enough for the whole work in every answer: at the default of 25 ms, ours leaves the models
# out where they would come too late, and answers more bundles for it.
TMAX_MS = 1_000
DEVICES = ("mobile", "desktop", "tablet")
CREATIVES = ("banner", "video", "native")


def bundles(bids: int, *, count: int = BUNDLES, seed: int = 7) -> list[dict[str, Any]]:
    """`count` bundles of `bids` CPC bids, one a brand as far as brands go; reproducible."""
    rng = random.Random(seed)
    return [_bundle(rng, number, bids) for number in range(count)]


def _bundle(rng: random.Random, number: int, bids: int) -> dict[str, Any]:
    return {
        "slot_id": number % SLOTS + 1,
        "device_type": rng.choice(DEVICES),
        "timestamp": f"2026-11-23T{rng.randrange(24):02d}:00:00Z",
        "tmax_ms": TMAX_MS,
        "bids": [
            {
                "bid_id": f"b{index}",
                "brand_id": index % BRANDS + 1,
                "pricing_model": "CPC",
                "amount": round(rng.uniform(0.1, 2.0), 4),
                "creative_type": rng.choice(CREATIVES),
            }
            for index in range(bids)
        ],
    }


def records(body: dict[str, Any]) -> dict[str, Any]:
    """The same bundle as MLflow's scoring server takes a table: one record a bid."""
    shared = {name: body[name] for name in ("slot_id", "device_type", "timestamp")}
    return {"dataframe_records": [shared | bid for bid in body["bids"]]}


def write_wrk_script(path: Path, bodies: list[dict[str, Any]], route: str = SCORE) -> None:
    """A wrk script that posts the bodies in turn and prints status counts at the end."""
    texts = ",\n".join(f"[==[{json.dumps(body, separators=(',', ':'))}]==]" for body in bodies)
    path.write_text(_SCRIPT.replace("BODIES", texts).replace("ROUTE", route))


_SCRIPT = """
local bodies = {
BODIES
}
local threads = {}
function setup(thread) table.insert(threads, thread) end
function init(args)
  turn = 0
  bad = 0
  requests = {}
  for i, body in ipairs(bodies) do
    requests[i] = wrk.format("POST", "ROUTE", {["Content-Type"] = "application/json"}, body)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function response(status, headers, body)
  if status ~= 200 then bad = bad + 1 end
end
function done(summary, latency, all)
  local bad = 0
  for _, thread in ipairs(threads) do bad = bad + thread:get("bad") end
  local found = string.format(
    '{"requests": %d, "duration_us": %d, "bad": %d, "socket_errors": %d, "p50_us": %d, ' ..
    '"p95_us": %d, "p99_us": %d, "max_us": %d}',
    summary.requests, summary.duration, bad,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout,
    latency:percentile(50), latency:percentile(95), latency:percentile(99), latency.max)
  io.write("RESULT " .. found .. "\\n")
end
"""
