"""How many replicas: by how busy each one's event loop is, not by requests in flight.

An ingress makes one call to scoring at a time, however many bundles wait for it, and HAProxy lets
no more in than are answered in time: requests in flight hardly grow with load, CPU time does.
"""

import time
from collections.abc import Callable
from typing import Any

from ray.serve.config import AutoscalingContext

BUSY = "busy"


class BusyShare:
    """The share of a core that the calling thread used since it asked before, 0 to 1."""

    def __init__(
        self,
        used: Callable[[], float] = time.thread_time,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._used, self._clock = used, clock
        self._before = used(), clock()

    def stats(self) -> dict[str, float]:
        """As Serve wants it of `record_autoscaling_stats`. From another thread than before, which
        has its own account, 0."""
        used, now = self._used(), self._clock()
        before, at = self._before
        self._before = used, now
        share = (used - before) / (now - at) if now > at else 0.0
        return {BUSY: min(max(share, 0.0), 1.0)}


class ByBusyShare:
    """Serve's autoscaling policy: as many replicas as are busy for `target` of a core each.

    Bounds and delays are those of the deployment's `autoscaling_config`.
    """

    def __init__(self, target: float) -> None:
        if not 0.0 < target <= 1.0:
            raise ValueError(f"target: {target} is no share of a core; give 0 < target <= 1")
        self._target = target

    def __call__(self, context: AutoscalingContext) -> tuple[float, dict[str, Any]]:
        """How many replicas are wanted; as many as now until one has told."""
        told = (context.aggregated_metrics or {}).get(BUSY, {})
        if not told:
            return context.target_num_replicas, {}
        return sum(told.values()) / self._target, {}
