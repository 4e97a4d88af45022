"""What a prediction costs a process that rested before it: `python -m benchmarks.pauses`.

One model of 200 trees, 100 rows that all differ, nothing else at work. Between two predictions the
processor's caches go to whoever else is on the machine, other tenants of a cloud's host included.
"""

import argparse
import statistics
import time

import numpy as np

from benchmarks import workload
from bidding.matrix import bundle_batch
from bidding.posterior import Prior
from stores.feature_contract import load_contract
from stores.model_registry import CTR_MODEL

ROWS = 100
PAUSES_MS = (0, 1, 4, 10)


def main() -> None:
    """Print the median of each pause, taken in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--predictions", type=int, default=200)
    given = parser.parse_args()
    booster = workload.fit()
    booster.set_param({"nthread": 1})
    contract = load_contract()
    model = workload.serving_model(CTR_MODEL, booster, contract)
    rng = np.random.default_rng(3)
    rates = np.full(ROWS, Prior().mean)
    shared = {name: float(rng.random()) for name in contract.shared}
    per_bid = {name: rng.random(ROWS) for name in contract.per_bid}
    batch = bundle_batch(contract, shared, np.empty(0, np.int32), per_bid, rates, rates)
    took: dict[int, list[float]] = {pause: [] for pause in PAUSES_MS}
    for _ in range(given.rounds):
        for pause in PAUSES_MS:
            for _ in range(given.predictions):
                time.sleep(pause / 1000)
                started = time.perf_counter()
                model.predict(batch, batch.ctr)
                took[pause].append(time.perf_counter() - started)
    for pause, found in took.items():
        print(f"after {pause:2d} ms: {statistics.median(found) * 1000:.2f} ms")


if __name__ == "__main__":
    main()
