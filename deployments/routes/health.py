"""`/healthz` says that this process serves; `/readyz` says what it serves without."""

from collections.abc import Callable
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel

from deployments.access import PUBLIC


class Health(BaseModel):
    """200 as long as requests are answered, degraded or not."""

    status: str = "ok"


class Readiness(BaseModel):
    """`ready` stays true while bundles are answered; `degraded` names what is missing: redis,
    postgres, scoring (nothing answered for six seconds), models (there is none)."""

    ready: bool
    degraded: list[str]
    models: dict[str, str | None]


def build(readiness: Callable[[], dict[str, Any]]) -> APIRouter:
    """The router of the health routes."""
    router = APIRouter(tags=["health"])

    @router.get("/healthz", dependencies=[PUBLIC], summary="Is the process up?")
    async def healthz() -> Health:
        return Health()

    @router.get("/readyz", dependencies=[PUBLIC], summary="What is degraded?")
    async def readyz() -> Readiness:
        return Readiness(**readiness())

    return router
