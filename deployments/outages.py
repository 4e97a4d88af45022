"""Stores that go and come back, told once each: answers degrade, and the log says since when."""

import time
from collections import defaultdict
from collections.abc import Callable, Set
from dataclasses import dataclass

import structlog

# A store that flaps is told so often at most; what was not told is counted in the next line.
QUIET_S = 10.0
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class _Store:
    since: float | None = None
    told_at: float = float("-inf")
    told: bool = False
    untold: int = 0


class Outages:
    """Takes what is away at each look; logs `store_away` and `store_back`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._stores: dict[str, _Store] = defaultdict(_Store)

    def see(self, away: Set[str]) -> None:
        """The stores that do not answer now."""
        now = self._clock()
        for name in sorted(self._stores.keys() | away):
            store = self._stores[name]
            if name in away:
                _is_away(name, store, now)
            elif store.since is not None:
                _is_back(name, store, now - store.since)


def _is_away(name: str, store: _Store, now: float) -> None:
    if store.since is None:
        store.since = now
    if not store.told and now - store.told_at >= QUIET_S:
        log.warning("store_away", store=name, shorter_ones=store.untold)
        store.told, store.told_at, store.untold = True, now, 0


def _is_back(name: str, store: _Store, away_s: float) -> None:
    if store.told:
        log.info("store_back", store=name, away_s=round(away_s, 1))
    else:
        store.untold += 1
    store.since, store.told = None, False
