"""`make bench-guard`: has our own code become slower, measured against code that never changes?

In one process, in turn: a bundle of 100 bids through the whole request path (decode, posteriors,
two models, rules, answer) and the same bundle through the bare peer's work (orjson, matrix, one
model, sort). The ratio of the two CPU times hardly depends on the machine. Fails above the
committed ratio by more than 15%; `--write` commits a new one.
"""

import argparse
import asyncio
import json
import statistics
import sys
import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import orjson
import xgboost as xgb

from benchmarks import workload
from benchmarks.bodies import BRANDS, SLOTS, bundles
from benchmarks.peers import ranking
from benchmarks.run import RESULTS
from bidding.batch import ScoreBatch
from bidding.bundle import Brand, RuleBook, Strategy
from deployments.estimates import Estimator
from deployments.metrics_score import ScoreMeter
from deployments.rules_view import view_of
from deployments.score_answer import Versions
from deployments.scorer import NOTHING_EXPLAINED, Explained, Prediction, Scorer
from deployments.slot_source import default_slot
from stores.feature_contract import load_contract
from stores.feature_types import RulesSnapshot
from stores.model_registry import CTR_MODEL, CVR_MODEL

COMMITTED = RESULTS / "guard.json"
ALLOWED = 1.15
ROUNDS, BUNDLES_A_ROUND = 25, 40


def main() -> int:
    """Exit code 1 on a regression."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="keep this ratio as the committed one")
    given = parser.parse_args()
    found = measure()
    if given.write:
        RESULTS.mkdir(exist_ok=True)
        COMMITTED.write_text(json.dumps({"ratio": round(found, 3)}) + "\n", encoding="utf-8")
        print(f"ratio {found:.3f} kept")
        return 0
    committed = float(json.loads(COMMITTED.read_text(encoding="utf-8"))["ratio"])
    slower = found / committed
    print(f"ours / bare peer: {found:.3f}, committed {committed:.3f}: {slower:.2f} of it")
    if slower > ALLOWED:
        print(f"slower by more than {ALLOWED - 1:.0%}; profile it, or `--write` with a reason")
        return 1
    return 0


def measure() -> float:
    """CPU time of ours over the peer's: the median of interleaved rounds' ratios."""
    booster = workload.fit()
    booster.set_param({"nthread": 1})
    bodies = [json.dumps(body).encode() for body in bundles(100)]
    ours, peer = our_path(booster, bodies), _peer(booster, bodies)
    _timed(ours), _timed(peer)
    return statistics.median(_timed(ours) / _timed(peer) for _ in range(ROUNDS))


def _timed(work: Callable[[], None]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def our_path(
    booster: xgb.Booster, bodies: list[bytes], at_once: int = BUNDLES_A_ROUND
) -> Callable[[], None]:
    """`at_once` bundles through our request path: decode, posteriors, two models, rules, answer."""
    contract = load_contract()
    ctr = workload.serving_model(CTR_MODEL, booster, contract)
    cvr = workload.serving_model(CVR_MODEL, booster, contract)
    brands = {number: Brand(number, 1) for number in range(1, BRANDS + 1)}
    keys = {f"bench-{number}": number for number in brands}
    book = RuleBook({1: Strategy(1, "Balanced", 1.0, 0)}, brands)
    rules: Any = SimpleNamespace(
        serving=view_of(RulesSnapshot(book, keys, {}, {})), stale=False, missing=frozenset()
    )
    known = {number: default_slot(number) for number in range(1, SLOTS + 1)}
    slots: Any = SimpleNamespace(cached=known.get)

    async def predict(batch: ScoreBatch) -> Prediction:
        versions = Versions("1", "1")
        return Prediction(ctr.predict(batch, batch.ctr), cvr.predict(batch, batch.cvr), versions)

    async def explain(batch: ScoreBatch) -> Explained:
        return NOTHING_EXPLAINED

    meter = ScoreMeter()
    scorer = Scorer(rules, slots, predict, explain, Estimator.from_configs(), record=meter.record)

    async def some() -> None:
        for number in range(at_once):
            await scorer(bodies[number % len(bodies)], [], time.monotonic() + 60)

    return lambda: asyncio.run(some())


def _peer(booster: xgb.Booster, bodies: list[bytes]) -> Callable[[], None]:
    slot = {"placement_score": 0.5, "partner_quality": 0.5}

    def one(body: bytes) -> bytes:
        bundle = orjson.loads(body)
        bids = bundle["bids"]
        rows = ranking.matrix(
            slot, bundle["device_type"], [bid["creative_type"] for bid in bids], 10
        )
        ctr = booster.inplace_predict(rows).tolist()
        ranked = ranking.rank(ctr, [bid["amount"] for bid in bids])
        return orjson.dumps([{"bid_id": bids[i]["bid_id"], "vpi": value} for i, value in ranked])

    def some() -> None:
        for number in range(BUNDLES_A_ROUND):
            one(bodies[number % len(bodies)])

    return some


if __name__ == "__main__":
    sys.exit(main())
