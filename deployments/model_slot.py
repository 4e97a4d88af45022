"""One live model of a scoring replica: follow the alias, load, check, warm, swap one reference.

Whatever goes wrong keeps the old model: a refusal is remembered and reported, never raised
into scoring or the health check.
"""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from bidding.errors import ModelRefused, StoreUnavailable
from stores.model_fetch import ModelFiles
from stores.model_files import ServingModel, load
from stores.model_registry import CHAMPION, Registry

RETRY_REFUSED_S = 300.0
# A version that can't be had now is asked for again after a pause, which doubles.
FIRST_PAUSE_S, LONGEST_PAUSE_S = 2.0, 60.0
KEEP_EVERY_S = 60.0
SERVING = "serving"  # the tag that says what replicas made of a version
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class SlotReport:
    """What a replica says about one of its models."""

    name: str
    version: str | None = None
    loaded_at: float | None = None
    refused: dict[str, str] = field(default_factory=dict)
    reloads: dict[str, int] = field(
        default_factory=lambda: {"swapped": 0, "refused": 0, "failed": 0}
    )
    registry_reachable: bool = True


class ModelSlot:
    """Holds the model that an alias points at. Readers take `current` once per call."""

    def __init__(
        self,
        name: str,
        registry: Registry,
        files: ModelFiles,
        *,
        contract_hash: str,
        alias: str = CHAMPION,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._name = name
        self._alias = alias
        self._registry = registry
        self._files = files
        self._contract_hash = contract_hash
        self._clock = clock
        self._refusals: dict[str, tuple[float, str]] = {}  # when, and why
        self._pause_s = 0.0
        self._paused_until = 0.0
        self._kept_at = 0.0
        self._candidate: ServingModel | None = None
        self.current: ServingModel | None = None
        self.report = SlotReport(name)

    async def start(self) -> None:
        """Serve something at once: the champion, else the last good model, else nothing."""
        await self._look()
        if self.current is None and self._alias == CHAMPION:
            await self._load_last_good()

    async def follow(self, period_s: float) -> None:
        """Follow the alias for ever, about every `period_s`, jittered."""
        while True:
            await asyncio.sleep(period_s * random.uniform(0.75, 1.25))  # noqa: S311
            await self._look()

    async def _look(self) -> None:
        """Whatever fails, the model that serves stays and the next look comes."""
        try:
            await self.follow_once()
            await self._keep()
        except Exception as error:  # the boundary of a task that must outlive its bugs
            self._failed(error)

    async def follow_once(self) -> None:
        """Look at the alias once, and swap if it moved to a version that can serve."""
        try:
            version = await self._registry.resolve(self._name, self._alias)
        except StoreUnavailable as error:
            self.report.registry_reachable = False
            log.warning("registry_unavailable", model=self._name, detail=error.detail)
            return
        self.report.registry_reachable = True
        if version is None:
            if self._alias != CHAMPION:
                self._drop()
        elif version == self.report.version:
            self.report.refused.clear()  # nobody asks for those any more
        elif not self._lately_refused(version) and self._clock() >= self._paused_until:
            await self._take(version)

    async def _take(self, version: str) -> None:
        try:
            path = await self._files.fetch(self._name, version)
            model = await asyncio.to_thread(self._load, path, version)
        except ModelRefused as refusal:
            await self._refuse(version, refusal.detail)
            return
        except StoreUnavailable as error:
            self._failed(error)
            return
        if not await self._is_still_wanted(version):
            return
        self._swap(model)
        await self._tag(version, "accepted")
        await self._keep()

    async def _is_still_wanted(self, version: str) -> bool:
        """Whether the alias did not move on while the version was loaded and checked."""
        try:
            return await self._registry.resolve(self._name, self._alias) == version
        except StoreUnavailable:
            return True

    def _failed(self, error: Exception) -> None:
        """No version is to blame: the one that serves stays, and this one is tried again."""
        self._pause_s = min(max(2 * self._pause_s, FIRST_PAUSE_S), LONGEST_PAUSE_S)
        self._paused_until = self._clock() + self._pause_s
        self.report.reloads["failed"] += 1
        log.error("model_not_loaded", model=self._name, alias=self._alias, exc_info=error)

    async def _keep(self) -> None:
        """The model that serves, for replicas that start without MLflow; again now and then, as
        Redis may forget it."""
        now, version = self._clock(), self.report.version
        if version is None or self._alias != CHAMPION or now - self._kept_at < KEEP_EVERY_S:
            return
        self._kept_at = now
        try:
            await self._files.keep_as_last_good(self._name, version)
        except StoreUnavailable as error:
            log.warning("last_good_not_kept", model=self._name, detail=error.detail)

    async def _tag(self, version: str, said: str) -> None:
        """What became of a version, where people look at it; its serving does not hang on that."""
        try:
            await self._registry.tag(self._name, version, SERVING, said)
        except StoreUnavailable as error:
            log.warning("version_not_tagged", model=self._name, detail=error.detail)

    async def candidate(self, version: str) -> ServingModel:
        """A version as it would be served. The last one asked for is kept.

        Raises `ModelRefused` with the reason, `StoreUnavailable` where it can't be had now.
        """
        if self._candidate is None or self._candidate.version != version:
            path = await self._files.fetch(self._name, version)
            self._candidate = await asyncio.to_thread(self._load, path, version)
        return self._candidate

    def _load(self, path: Path, version: str) -> ServingModel:
        model = load(path, name=self._name, version=version)
        model.check_contract(self._contract_hash)
        model.check_name()
        model.warm_up()
        return model

    def _swap(self, model: ServingModel) -> None:
        self.current = model
        self.report.version = model.version
        self._files.note_served(self._name, self._alias, model.version)
        self.report.loaded_at = self._clock()
        self.report.reloads["swapped"] += 1
        self.report.refused.clear()
        self._pause_s = self._paused_until = self._kept_at = 0.0
        log.info("model_swapped", model=self._name, version=model.version, alias=self._alias)

    def _drop(self) -> None:
        self.current = None
        self.report.version = None

    async def _refuse(self, version: str, reason: str) -> None:
        self._refusals[version] = self._clock(), reason
        self.report.refused[version] = reason
        self.report.reloads["refused"] += 1
        log.error("model_refused", model=self._name, version=version, reason=reason)
        await self._tag(version, f"refused: {reason}")

    def _lately_refused(self, version: str) -> bool:
        if version not in self._refusals:
            return False
        at, reason = self._refusals[version]
        if self._clock() - at < RETRY_REFUSED_S:
            self.report.refused[version] = reason  # it may have been asked for again since
            return True
        del self._refusals[version]
        self._files.forget(self._name, version)
        return False

    async def _load_last_good(self) -> None:
        try:
            found = await self._files.last_good(self._name)
            if found is not None:
                version, path = found
                self._swap(await asyncio.to_thread(self._load, path, version))
        except ModelRefused as refusal:
            self.report.refused["last good"] = refusal.detail
            log.error("last_good_refused", model=self._name, reason=refusal.detail)
        except Exception as error:  # a start without a model is better than none
            self._failed(error)
