"""How many bundles an ingress takes, and how long each may take.

What counts is the time since the request reached the host, which HAProxy writes into a header: when
more is asked than can be served, most of a request's time passes before an ingress sees it.
"""

import time
from collections.abc import Callable

from bidding.errors import Overloaded

# HAProxy's clock when it had read the request's head, in microseconds since 1970.
ARRIVED = b"x-arrived-us"
# About 100 ms of one ingress at its peak: whoever came later could not be answered in time.
MOST_UNDER_WAY = 128
# What ranking and writing one answer takes on a busy machine, and what each other one adds.
ANSWER_S = 0.002
EACH_OTHER_S = 0.0003
# How fast what timers ran late by is forgotten, and the most of a bundle's time it may take.
LATE_HALF_LIFE_S = 0.5
LATE_SHARE = 0.5
# Longer waits than any deadline are clocks that were set, not queues.
_LONGEST_WAIT_S = 10.0


class Admission:
    """Counts the bundles under way in this ingress: each is inside of it while it is scored."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._under_way = 0
        self._late_s = 0.0
        self._late_at = 0.0

    def arrival(self, headers: list[tuple[bytes, bytes]]) -> float:
        """When the request came to this host, on the monotonic clock; now where nothing tells."""
        now = self._clock()
        for name, value in headers:
            if name == ARRIVED and value.isdigit():
                waited_s = self._wall_clock() - int(value[:20]) / 1e6
                return now - waited_s if 0.0 < waited_s < _LONGEST_WAIT_S else now
        return now

    def __enter__(self) -> None:
        """Counts one bundle from here to the end. Raises `Overloaded` where there is no place."""
        if self._under_way >= MOST_UNDER_WAY:
            raise Overloaded(f"{self._under_way} bundles are being scored; try again in a moment")
        self._under_way += 1

    def __exit__(self, *_: object) -> None:
        self._under_way -= 1

    def until(self, deadline: float) -> float:
        """Until when stores and models may take, of a bundle to be answered by `deadline`.

        The rest is for ranking and writing, also of those under way, as one late call of a model
        makes them run out of time together; more where timers ran late just now.
        """
        now = self._clock()
        rest_s = ANSWER_S + EACH_OTHER_S * max(self._under_way - 1, 0)
        late_s = min(self._late(now), LATE_SHARE * (deadline - now))
        return deadline - max(rest_s, late_s)

    def ran_late(self, late_s: float) -> None:
        """A wait that should have been given up went on for so long: the machine is busy."""
        now = self._clock()
        self._late_s, self._late_at = max(self._late(now), late_s), now

    def _late(self, now: float) -> float:
        return float(self._late_s * 0.5 ** ((now - self._late_at) / LATE_HALF_LIFE_S))
