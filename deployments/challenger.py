"""A scoring replica's challengers: they see live batches in shadow, and nobody waits for them."""

import asyncio
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bidding.batch import Float32s, ScoreBatch
from deployments.model_slot import ModelSlot
from stores.model_registry import CTR_MODEL

# What a model said of a batch, float32[N], and its version; of both models by name.
Said = dict[str, tuple[Float32s, str]]
_LEAST = 1e-9


@dataclass(slots=True)
class Disagreement:
    """How a challenger differs from the champion, in logarithms of predicted rates.

    `top_changed` counts bundles whose highest rate is another bid's.
    """

    name: str
    champion: str
    challenger: str
    bundles: int = 0
    rows: int = 0
    log_ratio_sum: float = 0.0
    largest_log_ratio: float = 0.0
    top_changed: int = 0

    def add(self, champion: Float32s, challenger: Float32s) -> None:
        """Predictions of one bundle by both."""
        ratios = np.abs(
            np.log(np.maximum(challenger, _LEAST) / np.maximum(champion, _LEAST), dtype=np.float64)
        )
        self.bundles += 1
        self.rows += len(ratios)
        self.log_ratio_sum += float(ratios.sum())
        self.largest_log_ratio = max(self.largest_log_ratio, float(ratios.max(initial=0.0)))
        self.top_changed += int(np.argmax(champion) != np.argmax(challenger))


class Challengers:
    """One batch at a time, in a thread; what comes meanwhile is dropped and counted."""

    def __init__(self, slots: Sequence[ModelSlot]) -> None:
        self._slots = slots
        self._busy = False
        self._found: dict[str, Disagreement] = {}
        self.dropped = 0

    async def score(self, batch: ScoreBatch, champion: Said) -> Said | None:
        """What the challengers say of one bundle; nothing without any, None when busy."""
        if self._busy:
            self.dropped += 1
            return None
        self._busy = True
        try:
            return await asyncio.to_thread(self._score, batch, champion)
        finally:
            self._busy = False

    def _score(self, batch: ScoreBatch, champion: Said) -> Said:
        said: Said = {}
        for slot in self._slots:
            model = slot.current
            if model is None or model.name not in champion:
                continue
            before, version = champion[model.name]
            if version == model.version:
                continue
            found = model.predict(batch, batch.ctr if model.name == CTR_MODEL else batch.cvr)
            self._kept(model.name, version, model.version).add(before, found)
            said[model.name] = found, model.version
        return said

    def _kept(self, name: str, champion: str, challenger: str) -> Disagreement:
        """The count of these two versions; another pair starts anew."""
        kept = self._found.get(name)
        if kept is None or (kept.champion, kept.challenger) != (champion, challenger):
            kept = self._found[name] = Disagreement(name, champion, challenger)
        return kept

    def report(self) -> dict[str, Any]:
        """What this replica's challengers are, and how they differ."""
        return {
            "models": [asdict(slot.report) for slot in self._slots],
            "disagreement": [asdict(found) for found in self._found.values()],
            "dropped": self.dropped,
        }
