"""How many bundles an ingress takes, and how long each may take.

What counts is the time since the request reached the host, which HAProxy writes into a header: when
more is asked than can be served, most of a request's time passes before an ingress sees it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from bidding.errors import Overloaded

# HAProxy's clock when it had read the request's head, in microseconds since 1970.
ARRIVED = b"x-arrived-us"
# About 100 ms of one ingress at its peak: whoever came later could not be answered in time.
MOST_UNDER_WAY = 128
# What ranking and writing one answer takes on a busy machine, and what each other one adds.
ANSWER_S = 0.002
EACH_OTHER_S = 0.0003
# Longer waits than any deadline are clocks that were set, not queues.
_LONGEST_WAIT_S = 10.0


class Admission:
    """Counts the bundles under way in this ingress."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        self._clock = clock
        self._wall_clock = wall_clock
        self._under_way = 0

    def arrival(self, headers: list[tuple[bytes, bytes]]) -> float:
        """When the request came to this host, on the monotonic clock; now where nothing tells."""
        now = self._clock()
        for name, value in headers:
            if name == ARRIVED and value.isdigit():
                waited_s = self._wall_clock() - int(value[:20]) / 1e6
                return now - waited_s if 0.0 < waited_s < _LONGEST_WAIT_S else now
        return now

    @contextmanager
    def place(self) -> Iterator[None]:
        """Counts one bundle from here to the end. Raises `Overloaded` where there is no place."""
        if self._under_way >= MOST_UNDER_WAY:
            raise Overloaded(f"{self._under_way} bundles are being scored; try again in a moment")
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    def until(self, deadline: float) -> float:
        """Until when stores and models may take, of a bundle to be answered by `deadline`.

        The rest is for ranking and writing, also of those under way, as one late call of a model
        makes them run out of time together.
        """
        return deadline - ANSWER_S - EACH_OTHER_S * (self._under_way - 1)


def whole(deadline: float) -> float:
    """The same where bundles come one at a time."""
    return deadline - ANSWER_S
