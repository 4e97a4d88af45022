"""The score path's calls to other replicas, recorded into the current trace."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from bidding.batch import ScoreBatch
from bidding.errors import AdBidError
from deployments.scorer import Predict, Prediction
from deployments.slot_source import SlotRead, SlotSource
from deployments.tracing import CURRENT
from stores.feature_types import SlotKey, SlotsFetched
from stores.traced import SpanRecord


@dataclass(frozen=True, slots=True)
class TracedFetch(SlotsFetched):
    """Slots with what the features replica did to find them."""

    span: SpanRecord | None = None


class TracedSlots(SlotSource):
    """`SlotSource` whose fetches are recorded, with what they led to."""

    async def fetch(self, key: SlotKey) -> SlotRead:
        trace = CURRENT.get()
        if trace is None:
            return await super().fetch(key)
        started_ns, span = time.time_ns(), None
        try:
            read = await super().fetch(key)
            span = read.span
            return read
        finally:
            trace.add("features", started_ns, (span,) if span is not None else ())

    def _answer(self, key: SlotKey, fetched: SlotsFetched) -> SlotRead | AdBidError:
        read = super()._answer(key, fetched)
        if isinstance(read, SlotRead) and isinstance(fetched, TracedFetch):
            return replace(read, span=fetched.span)
        return read


def traced_predict(predict: Callable[[ScoreBatch], Awaitable[Prediction]]) -> Predict:
    """`predict`, recorded."""

    async def ask(batch: ScoreBatch) -> Prediction:
        trace = CURRENT.get()
        if trace is None:
            return await predict(batch)
        started_ns, span = time.time_ns(), None
        try:
            prediction = await predict(batch)
            span = prediction.span
            return prediction
        finally:
            trace.add("scoring", started_ns, (span,) if span is not None else ())

    return ask
