"""What the overseer decides: which moves to record, and which champions to take back.

It never fights a person: a version that is promoted again after it was taken back is left alone,
and so is an alias that somebody moved meanwhile.
"""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

import structlog

from bidding.errors import StoreUnavailable
from bidding.watch import against_calibration, against_errors
from stores.audit import Author
from stores.live_quality import LiveQuality, Span
from stores.model_changes import ModelChange
from stores.model_registry import CHAMPION, CTR_MODEL
from stores.promotion import ALIASES, Promotions
from stores.promotion_settings import WatchSettings

ACTOR = "overseer"
Reports = Callable[[], Awaitable[list[dict[str, Any]]]]
log = structlog.get_logger(__name__)


class Oversight:
    """Watches one installation; every method may raise `StoreUnavailable`."""

    def __init__(
        self,
        promotions: Promotions,
        quality: LiveQuality,
        reports: Reports,
        settings: WatchSettings,
        clock: Callable[[], datetime],
    ) -> None:
        self._promotions = promotions
        self._quality = quality
        self._reports = reports
        self._settings = settings
        self._clock = clock
        self._known: dict[str, dict[str, str]] = {}
        self._judged_at: dict[str, datetime] = {}

    async def look(self, name: str) -> list[ModelChange]:
        """Record moves that were made without us."""
        found = await self._promotions.registry.aliases(name)
        aliases = {alias: version for alias, version in found.items() if alias in ALIASES}
        if aliases == self._known.get(name):
            return []
        noticed = await self._promotions.notice(name)
        self._known[name] = aliases
        for change in noticed:
            log.info("model_moved", model=name, to=change.move.to_version, by=change.author.actor)
        return noticed

    async def watch(self, name: str) -> ModelChange | None:
        """Judge a champion that is new; the rollback, where one was made."""
        now = self._clock()
        judged_at = self._judged_at.get(name)
        pause = timedelta(seconds=self._settings.judge_every_s)
        if judged_at is not None and now - judged_at < pause:
            return None
        self._judged_at[name] = now
        changes = await self._promotions.changes.fetch(name, CHAMPION)
        if not self._is_watched(changes, now):
            return None
        reason = await self._against(changes[0], now)
        if reason is None:
            return None
        change = await self._promotions.take_back(changes[0], Author(ACTOR, reason))
        if change is not None:
            bad, good = change.move.from_version, change.move.to_version
            log.error("model_taken_back", model=name, version=bad, to=good, reason=reason)
        return change

    def _is_watched(self, changes: Sequence[ModelChange], now: datetime) -> bool:
        if not changes:
            return False
        newest = changes[0]
        window = timedelta(seconds=self._settings.window_s)
        return (
            newest.move.kind == "promote"
            and newest.move.to_version is not None
            and newest.move.from_version is not None
            and now - newest.at < window
            and not was_taken_back(changes, newest.move.to_version)
        )

    async def _against(self, promoted: ModelChange, now: datetime) -> str | None:
        move = promoted.move
        refused = refused_by_all(await self._reports(), move.name, str(move.to_version))
        if refused is not None:
            return f"refused by every scoring replica: {refused}"
        return await self._errors(promoted, now) or await self._calibration(promoted, now)

    async def _errors(self, promoted: ModelChange, now: datetime) -> str | None:
        after = await self._quality.failures(self._span(promoted.at, now))
        before = await self._quality.failures(self._before(promoted))
        return against_errors(after, before, self._settings.bounds)

    async def _calibration(self, promoted: ModelChange, now: datetime) -> str | None:
        """Clicks only: conversions take days, so a window of minutes says nothing of them."""
        move = promoted.move
        until = now - timedelta(seconds=self._settings.settle_s)
        if move.name != CTR_MODEL or until <= promoted.at:
            return None
        span = self._span(promoted.at, until)
        after = await self._quality.served(move.name, str(move.to_version), span)
        before = await self._quality.served(
            move.name, str(move.from_version), self._before(promoted)
        )
        return against_calibration(after, before, self._settings.bounds)

    def _before(self, promoted: ModelChange) -> Span:
        """As long as the window, up to the promotion."""
        start = promoted.at - timedelta(seconds=self._settings.window_s)
        return self._span(start, promoted.at)

    def _span(self, since: datetime, until: datetime) -> Span:
        return Span(since, until, self._settings.outcomes)


def was_taken_back(changes: Sequence[ModelChange], version: str) -> bool:
    """Whether a version was rolled back automatically before."""
    moves = [change.move for change in changes]
    return any(m.kind == "automatic_rollback" and m.from_version == version for m in moves)


def refused_by_all(reports: Sequence[dict[str, Any]], name: str, version: str) -> str | None:
    """Why every replica refuses a version; None where one does not, or nobody answers."""
    models = [model for report in reports for model in report["models"] if model["name"] == name]
    reasons = [str(model["refused"].get(version, "")) for model in models]
    return reasons[0] if reasons and all(reasons) else None


async def step(name: str, oversight: Oversight) -> None:
    """One look at one model; a store that is away is waited for."""
    try:
        await oversight.look(name)
        await oversight.watch(name)
    except StoreUnavailable as error:
        log.info("overseer_waits", model=name, detail=error.detail)
