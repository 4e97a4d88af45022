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
log = structlog.get_logger(__name__)


@dataclass(slots=True)
class SlotReport:
    """What a replica says about one of its models."""

    name: str
    version: str | None = None
    loaded_at: float | None = None
    refused: dict[str, str] = field(default_factory=dict)
    reloads: dict[str, int] = field(default_factory=lambda: {"swapped": 0, "refused": 0})
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
        self._refused_at: dict[str, float] = {}
        self._candidate: ServingModel | None = None
        self.current: ServingModel | None = None
        self.report = SlotReport(name)

    async def start(self) -> None:
        """Serve something at once: the champion, else the last good model, else nothing."""
        await self.follow_once()
        if self.current is None and self._alias == CHAMPION:
            await self._load_last_good()

    async def follow(self, period_s: float) -> None:
        """Follow the alias for ever, about every `period_s`, jittered."""
        while True:
            await asyncio.sleep(period_s * random.uniform(0.75, 1.25))  # noqa: S311
            await self.follow_once()

    async def follow_once(self) -> None:
        """Look at the alias once, and swap if it moved to a version that can serve."""
        try:
            version = await self._registry.resolve(self._name, self._alias)
            self.report.registry_reachable = True
            if version is None and self._alias != CHAMPION:
                self._drop()
            if version is None or version == self.report.version or self._lately_refused(version):
                return
            await self._take(version)
        except StoreUnavailable as error:
            self.report.registry_reachable = False
            log.warning("registry_unavailable", model=self._name, detail=error.detail)

    async def _take(self, version: str) -> None:
        try:
            path = await self._files.fetch(self._name, version)
            model = await asyncio.to_thread(self._load, path, version)
        except ModelRefused as refusal:
            await self._refuse(version, refusal.detail)
            return
        self._swap(model)
        if self._alias == CHAMPION:
            await self._files.keep_as_last_good(self._name, version)

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
        model.warm_up()
        return model

    def _swap(self, model: ServingModel) -> None:
        self.current = model
        self.report.version = model.version
        self.report.loaded_at = self._clock()
        self.report.reloads["swapped"] += 1
        self.report.refused.clear()
        log.info("model_swapped", model=self._name, version=model.version, alias=self._alias)

    def _drop(self) -> None:
        self.current = None
        self.report.version = None

    async def _refuse(self, version: str, reason: str) -> None:
        self._refused_at[version] = self._clock()
        self.report.refused[version] = reason
        self.report.reloads["refused"] += 1
        log.error("model_refused", model=self._name, version=version, reason=reason)
        await self._registry.tag(self._name, version, "serving", f"refused: {reason}")

    def _lately_refused(self, version: str) -> bool:
        at = self._refused_at.get(version)
        if at is None:
            return False
        if self._clock() - at < RETRY_REFUSED_S:
            return True
        del self._refused_at[version]
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
