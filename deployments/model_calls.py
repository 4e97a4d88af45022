"""Calls about models to the scoring replicas: what each serves, and bundles for challengers."""

from typing import Any

import structlog
from ray.serve.handle import DeploymentHandle

from bidding.batch import ScoreBatch
from bidding.errors import StoreUnavailable
from deployments.calls import PATIENCE_S, REMOTE_ERRORS
from deployments.challenger import Said

log = structlog.get_logger(__name__)


class ModelCalls:
    """A handle of the scoring deployment, seen as models."""

    def __init__(self, scoring: DeploymentHandle) -> None:
        self._scoring = scoring.options(_by_reference=False)

    async def reports(self) -> list[dict[str, Any]]:
        """`Scoring.report` of every replica that answers."""
        try:
            asked = self._scoring.broadcast("report")
            found = await asked.results_async(timeout_s=PATIENCE_S, return_exceptions=True)
        except REMOTE_ERRORS as error:
            log.warning("replicas_not_asked", error=type(error).__name__)
            return []
        return [report for report in found if isinstance(report, dict)]

    async def shadow(self, batch: ScoreBatch, champion: Said) -> Said | None:
        """What a replica's challengers say; None when it is busy. Raises `StoreUnavailable`."""
        try:
            return await self._scoring.shadow.remote(  # type: ignore[no-any-return]
                batch, champion
            )
        except REMOTE_ERRORS as error:
            raise StoreUnavailable(f"scoring: {type(error).__name__}") from error
