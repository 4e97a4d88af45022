"""Everything that is known of the models, from MLflow, the history, outcomes and replicas."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from bidding.errors import NotFound, StoreUnavailable
from bidding.watch import LiveSums
from deployments.lately import Lately
from deployments.model_shapes import (
    Live,
    LiveSide,
    Model,
    Models,
    Reliability,
    ReliabilityBin,
    change_of,
    disagreement_of,
    replicas_of,
    version_of,
)
from stores.live_quality import LiveQuality, Span
from stores.model_registry import CHALLENGER, CHAMPION, ModelVersion
from stores.promotion import MODELS, Promotions, find_version, previous_champion

RELIABILITY = "reliability.json"
# Of the newest so many versions the metrics are read; a finished run's never change.
WITH_METRICS = 30
SHOWN_CHANGES = 100
KEPT_S = 2.0
Reports = Callable[[], Awaitable[list[dict[str, Any]]]]


class _Curve(msgspec.Struct):
    bins: list[dict[str, float]]


class ModelView:
    """Reads; every method may raise `StoreUnavailable`.

    People who look at the same time share one answer: MLflow, and outcomes in their tens of
    thousands, are asked at most every `KEPT_S`, and anew after `forget`.
    """

    def __init__(
        self,
        promotions: Promotions,
        quality: LiveQuality,
        reports: Reports,
        *,
        days: int,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._promotions = promotions
        self._quality = quality
        self._reports = reports
        self._days = days
        self._clock = clock
        self._lately = Lately(self._fetch, KEPT_S, monotonic)
        self._figures: dict[str, dict[str, float]] = {}

    async def fetch(self) -> Models:
        """Both models, as they were `KEPT_S` ago at most."""
        found = await self._lately()
        if not found.registry_reachable:
            self._lately.forget()
        return found

    def forget(self) -> None:
        """An alias was moved here: who looks next shall see it."""
        self._lately.forget()

    async def _fetch(self) -> Models:
        reports = await self._reports()
        registered = await asyncio.gather(*(self._registered(name) for name in MODELS))
        pairs = zip(MODELS, registered, strict=True)
        models = [self._model(name, versions or [], reports) for name, versions in pairs]
        return Models(
            models=list(await asyncio.gather(*models)),
            registry_reachable=None not in registered,
        )

    async def _registered(self, name: str) -> list[ModelVersion] | None:
        """What MLflow holds; None where it does not answer."""
        try:
            return await self._promotions.registry.versions(name)
        except StoreUnavailable:
            return None

    async def fetch_reliability(self, name: str, version: str) -> Reliability:
        """The curve that training left. Raises `NotFound`."""
        found = find_version(await self._promotions.versions(name), name, version)
        blob = await self._promotions.registry.artifact(found.run_id, RELIABILITY)
        if blob is None:
            raise NotFound(f"the run of {name} {version} kept no {RELIABILITY}")
        try:
            curve = msgspec.json.decode(blob, type=_Curve)
            return Reliability(bins=[ReliabilityBin(**_bin(each)) for each in curve.bins])
        except (msgspec.DecodeError, KeyError) as error:
            raise NotFound(f"{RELIABILITY} of {name} {version} can't be read") from error

    async def _model(
        self, name: str, versions: list[ModelVersion], reports: list[dict[str, Any]]
    ) -> Model:
        figures = await asyncio.gather(*(self._metrics(v) for v in versions[:WITH_METRICS]))
        metrics = [*figures, *({} for _ in versions[WITH_METRICS:])]
        history = await self._promotions.changes.fetch(name, limit=SHOWN_CHANGES)
        return Model(
            name=name,
            previous_champion=await self._previous(name, versions),
            versions=[version_of(*each) for each in zip(versions, metrics, strict=True)],
            replicas=replicas_of(name, reports),
            history=[change_of(change) for change in history],
            live=await self._live(name, versions, reports),
        )

    async def _previous(self, name: str, versions: list[ModelVersion]) -> str | None:
        moves = await self._promotions.changes.fetch(name, CHAMPION)
        now = _aliases(versions).get(CHAMPION)
        return previous_champion(moves, now, {each.version for each in versions})

    async def _metrics(self, version: ModelVersion) -> dict[str, float]:
        known = self._figures.get(version.run_id)
        if known is None:
            try:
                known = await self._promotions.registry.figures(version.run_id)
            except StoreUnavailable:  # the list says what it can
                return {}
            if known:
                self._figures[version.run_id] = known
        return known

    async def _live(
        self, name: str, versions: list[ModelVersion], reports: list[dict[str, Any]]
    ) -> Live:
        now = self._clock()
        span = Span(now - timedelta(days=self._days), now)
        at = _aliases(versions)
        champion, challenger = at.get(CHAMPION), at.get(CHALLENGER)
        if champion is None:
            return Live(champion=None, challenger=None)
        served = await self._quality.served(name, champion, span)
        first = _side(served, served.rows)
        if challenger is None or challenger == champion:
            return Live(champion=first, challenger=None)
        both = await self._quality.side_by_side(name, champion, challenger, span)
        return Live(
            champion=first,
            challenger=_side(both.challenger, both.bundles),
            disagreement=disagreement_of(name, champion, challenger, reports),
        )


def _aliases(versions: list[ModelVersion]) -> dict[str, str]:
    return {alias: each.version for each in versions for alias in each.aliases}


def _side(sums: LiveSums, bundles: int) -> LiveSide:
    return LiveSide(predicted_actual=sums.ratio, bundles=bundles)


def _bin(found: dict[str, float]) -> dict[str, Any]:
    return {
        "predicted": found["predicted"],
        "actual": found["actual"],
        "rows": int(found["rows"]),
    }
