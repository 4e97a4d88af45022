"""A scoring replica answers bundles while it takes others apart."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from deployments.scoring import Scoring


class _Model:
    """Scores at once; says what a factor adds when it is let."""

    name = "adbid-ctr"
    version = "1"

    def __init__(self) -> None:
        self.go = threading.Event()
        self.explaining = self.most = 0

    @property
    def current(self) -> "_Model":
        return self

    def predict(self, *_: Any) -> Any:
        return np.ones(1, np.float32)

    def contributions(self, *_: Any) -> dict[str, Any]:
        self.explaining += 1
        self.most = max(self.most, self.explaining)
        self.go.wait(10)
        self.explaining -= 1
        return {"context": np.zeros(1)}


async def test_bundles_are_scored_while_others_are_taken_apart_one_at_a_time() -> None:
    scoring, model = Scoring.__new__(Scoring), _Model()
    slot: Any = model
    scoring._ctr = scoring._cvr = slot
    scoring._explainer = ThreadPoolExecutor(1)
    batch: Any = type("Batch", (), {"ctr": np.ones(1), "cvr": np.ones(1)})()
    asked = [asyncio.create_task(scoring.explain(batch)) for _ in range(3)]
    async with asyncio.timeout(5):
        while not model.explaining:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        (ctr, version), _ = await scoring.score(batch)
        assert (ctr, version) == (np.ones(1), "1")
        model.go.set()
        explained = [await each for each in asked]
    assert [versions for _, versions in explained] == [("1", "1")] * 3
    assert model.most == 1
