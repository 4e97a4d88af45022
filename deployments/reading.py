"""What an ingress reads and how it stays current: rules, slots, changes, and the stores away."""

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

import structlog

from bidding.bundle import AuctionRules
from bidding.errors import BrokenRuleBook, StoreUnavailable
from deployments.outages import Outages
from deployments.rules_view import RulesFeed
from deployments.slot_source import Fetch, SlotSource
from stores import last_known
from stores.changes import EVERYTHING, Change
from stores.feature_types import Features, RulesFetched, SlotFeatures

RULES_DEADLINE_S = 2.0
AWAY_EVERY_S = 0.25
SAVE_EVERY_S = 15.0
KEPT_SLOTS = 500
# Entities whose change moves no rule; the first of a group of `performance` marks the cached rules.
NOT_RULES = {"slot", "partner", "performance", "api_key"}
# Deadline in seconds, and the version of the last change that the rules should have seen.
FetchRules = Callable[[float, int], Awaitable[RulesFetched]]
log = structlog.get_logger(__name__)


class Reading:
    """Follows the change feed of `watched` and asks `fetch_rules` and `fetch_slots`.

    What it knows is kept in the file `kept`, for the next start without any store.
    """

    def __init__(
        self,
        watched: Features,
        fetch_rules: FetchRules,
        fetch_slots: Fetch,
        *,
        kept: Path,
        auction: AuctionRules,
        heard: Callable[[Change], None] = lambda _: None,
        slots: Callable[[Fetch], SlotSource] = SlotSource,
    ) -> None:
        self._watched = watched
        self._ask_rules = fetch_rules
        self._kept = kept
        self._auction = auction
        self._heard = heard
        self._rules_at_least = 0
        self._away: tuple[str, ...] = ()
        self._outages = Outages()
        self._saved: object = None
        self._tasks: list[asyncio.Task[None]] = []
        self.rules = RulesFeed(self._fetch_rules)
        self.slots = slots(fetch_slots)

    def away(self) -> tuple[str, ...]:
        """The stores that do not answer, as looked up a moment ago."""
        return self._away

    def down(self) -> set[str]:
        """The stores that do not answer, and those the rules were read without."""
        return set(self._watched.down()) | set(self.rules.missing)

    async def start(self) -> None:
        """Recall what was known, read the rules, then follow what changes."""
        await self._recall()
        try:
            await self.rules.refresh()
        except StoreUnavailable:
            log.warning("started_without_stores", brands=len(self.rules.serving.brand_ids))
        except BrokenRuleBook:
            log.exception("rules_not_taken")
        follow = (self.rules.follow(), self._follow_changes(), self._follow_away(), self._keep())
        self._tasks = [asyncio.create_task(each) for each in follow]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.save()

    async def save(self) -> None:
        """Write what is known to the file, if there is anything new."""
        view = self.rules.view
        if view is None:
            return
        slots = self._latest_slots()
        now = view.snapshot.version, sorted((slot.slot_id, slot.version) for slot in slots)
        if now == self._saved:
            return
        try:
            await asyncio.to_thread(last_known.save, self._kept, view.snapshot, slots)
            self._saved = now
        except OSError as error:
            log.warning("last_known_not_kept", error=str(error))

    async def _recall(self) -> None:
        known = await asyncio.to_thread(last_known.load, self._kept, self._auction)
        self.slots.recall(known.slots)
        if known.rules is not None:
            try:
                self.rules.recall(known.rules)
            except BrokenRuleBook:
                log.exception("last_known_rules_not_taken")

    def _latest_slots(self) -> list[SlotFeatures]:
        # each slot is there twice: by our id and by its own key
        newest = self.slots.cache.newest(2 * KEPT_SLOTS)
        return list({slot.slot_id: slot for slot in newest}.values())[:KEPT_SLOTS]

    async def _keep(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            await self.save()

    async def _follow_away(self) -> None:
        while True:
            down = self._watched.down()
            self._outages.see(down)
            self._away = tuple(sorted(down, reverse=True))
            await asyncio.sleep(AWAY_EVERY_S)

    async def _follow_changes(self) -> None:
        async for change in self._watched.watch_changes():
            self.take(change)

    def take(self, change: Change) -> None:
        """A change was heard: what it touches is read again."""
        if change.entity not in NOT_RULES:
            self._rules_at_least = max(self._rules_at_least, change.version)
        self.rules.changed()
        self._heard(change)
        if change.entity == EVERYTHING:
            self.slots.all_changed(change.version)
        elif change.id == 0:  # many slots, each marked in Redis: the others need no PostgreSQL
            self.slots.all_changed()
        elif change.entity == "partner":
            self.slots.partner_changed(change.id, change.version)
        elif change.entity in ("slot", "performance"):
            self.slots.changed(change.id, change.version)

    async def _fetch_rules(self) -> RulesFetched:
        return await self._ask_rules(RULES_DEADLINE_S, self._rules_at_least)
