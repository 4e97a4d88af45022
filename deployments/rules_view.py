"""The rules an ingress serves by: one immutable view, replaced whole when anything changes."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import numpy as np
import structlog
from numpy.typing import NDArray

from bidding.batch import Int32s
from bidding.bundle import RuleBook
from bidding.contract import codes
from bidding.errors import StoreUnavailable
from bidding.pricing import Floats
from bidding.rulebook import CompiledRules, compile_rules
from stores.feature_types import Counts, RulesFetched, RulesSnapshot

NO_COUNTS = Counts()
NO_RULES = RulesSnapshot(RuleBook({}, {}), {}, {}, {})
# Even with no change announced, nothing is believed for longer than this.
REFRESH_S = 30.0
RETRY_S = 0.5
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class RulesView:
    """A `RulesSnapshot` laid out for bundles. A bundle takes one reference and keeps it.

    `counts` (float64[3, B + 1]: impressions, clicks, conversions) and `brand_codes` (int32[B + 1],
    of the external keys) follow `rules.brand_ids`; the last row stands for every unknown brand.
    """

    rules: CompiledRules
    brand_ids: Mapping[str, int]
    counts: Floats
    brand_codes: Int32s
    snapshot: RulesSnapshot

    def counts_of(self, brand_ids: NDArray[np.int64]) -> Floats:
        """Decayed counts of the brands, float64[3, n]; 0 without history."""
        return self.counts[:, self.rules.rows_of(brand_ids)]


def view_of(snapshot: RulesSnapshot) -> RulesView:
    """Lay a snapshot out. Raises `BrokenRuleBook` when it contradicts itself."""
    rules = compile_rules(snapshot.rules)
    found = [snapshot.brand_counts.get(int(i), NO_COUNTS) for i in rules.brand_ids]
    keys = {number: key for key, number in snapshot.brand_ids.items()}
    return RulesView(
        rules=rules,
        brand_ids=snapshot.brand_ids,
        brand_codes=codes([keys.get(number, "") for number in rules.brand_ids.tolist()]),
        counts=np.array([[c.impressions, c.clicks, c.conversions] for c in found]).T,
        snapshot=snapshot,
    )


class RulesFeed:
    """Keeps the newest view; the last known one goes on serving while the stores are away.

    `view` is what this process read of a store, None before. `serving` is never None: before
    there is a view it is what was recalled of an earlier life, at worst no brand at all.
    """

    def __init__(self, fetch: Callable[[], Awaitable[RulesFetched]]) -> None:
        self._fetch = fetch
        self._changed = asyncio.Event()
        self._recalled = view_of(NO_RULES)
        self.view: RulesView | None = None
        self.missing: frozenset[str] = frozenset()
        self.read_at = float("-inf")

    @property
    def serving(self) -> RulesView:
        """What a bundle is decided by."""
        return self._recalled if self.view is None else self.view

    def recall(self, snapshot: RulesSnapshot) -> None:
        """Serve by these rules of earlier until a store tells others.

        Raises `BrokenRuleBook` when they contradict themselves.
        """
        self._recalled = view_of(snapshot)

    @property
    def stale(self) -> bool:
        """True while no store could confirm the view lately."""
        return time.monotonic() - self.read_at > 2 * REFRESH_S

    @property
    def age_s(self) -> float:
        """Seconds since a store confirmed the view; 0 before there is one."""
        return 0.0 if self.view is None else time.monotonic() - self.read_at

    def changed(self) -> None:
        """Something was written: read again at once."""
        self._changed.set()

    async def refresh(self) -> None:
        """Read the rules now. Raises `StoreUnavailable`; the old view stays."""
        self._changed.clear()
        fetched = await self._fetch()
        self.missing = fetched.missing
        if self.view is None or fetched.snapshot.version >= self.view.snapshot.version:
            self.view = view_of(fetched.snapshot)
        self.read_at = time.monotonic()

    async def follow(self) -> None:
        """Refresh on every change, and now and then without one, for ever."""
        while True:
            try:
                await self.refresh()
                wait_s = REFRESH_S
            except StoreUnavailable:
                self.missing = frozenset({"redis", "postgres"})
                wait_s = RETRY_S
            except Exception:  # the boundary of a task: the last good rules go on serving
                log.exception("rules_not_taken")
                wait_s = REFRESH_S
            try:
                await asyncio.wait_for(self._changed.wait(), wait_s)
            except TimeoutError:
                continue
