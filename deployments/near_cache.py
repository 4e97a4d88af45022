"""A near cache: rows an ingress has read lately, so that a warm bundle asks nobody.

Bounded, least recently used out first. An entry is fresh for `ttl_s`, shorter while no
change feed is connected; a stale one is kept, to answer from when the stores cannot.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from itertools import islice
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(slots=True)
class Counts:
    """How the cache has done since the start."""

    hits: int = 0
    misses: int = 0


class NearCache(Generic[Key, Value]):
    """Least recently used, with freshness told apart from presence."""

    def __init__(self, *, size: int) -> None:
        self._size = size
        self._rows: OrderedDict[Key, tuple[float, Value]] = OrderedDict()
        self.counts = Counts()

    def __len__(self) -> int:
        return len(self._rows)

    def fresh(self, key: Key, now: float) -> Value | None:
        """The value, if it is still fresh at `now` (seconds, monotonic)."""
        row = self._rows.get(key)
        if row is None or row[0] <= now:
            self.counts.misses += 1
            return None
        self.counts.hits += 1
        self._rows.move_to_end(key)
        return row[1]

    def touch(self, key: Key) -> None:
        """The row was of use, though it was not asked for."""
        if key in self._rows:
            self._rows.move_to_end(key)

    def last_known(self, key: Key) -> Value | None:
        """The value, however old."""
        row = self._rows.get(key)
        return None if row is None else row[1]

    def put(self, key: Key, value: Value, fresh_until: float) -> None:
        """Keep `value`, fresh until that monotonic second."""
        self._rows[key] = (fresh_until, value)
        self._rows.move_to_end(key)
        while len(self._rows) > self._size:
            self._rows.popitem(last=False)

    def stale(self, key: Key) -> None:
        """A change was announced: the row must be read again, but may still serve in need."""
        row = self._rows.get(key)
        if row is not None:
            self._rows[key] = (float("-inf"), row[1])

    def stale_where(self, holds: Callable[[Value], bool]) -> None:
        """`stale` for every row whose value `holds`."""
        for key in [key for key, (_, value) in self._rows.items() if holds(value)]:
            self.stale(key)

    def newest(self, count: int) -> list[Value]:
        """The values used last, latest first, at most `count` of them."""
        return [value for _, value in islice(reversed(self._rows.values()), count)]

    def all_stale(self, not_after: float) -> None:
        """The change feed was lost: no row is fresh beyond `not_after`."""
        for key, (fresh_until, value) in self._rows.items():
            self._rows[key] = (min(fresh_until, not_after), value)
