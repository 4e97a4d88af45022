"""`/api/models`: versions, what serves where, and moving the champion."""

from typing import Annotated

from fastapi import APIRouter, Path

from deployments import openapi
from deployments.access import Access, author_of
from deployments.catalogue_shapes import NO_NUL
from deployments.model_shapes import (
    ModelChange,
    Models,
    PromoteIn,
    Reliability,
    RollbackIn,
    change_of,
)
from deployments.model_view import ModelView
from stores.key_types import KeyRecord
from stores.promotion import Promotions

Name = Annotated[str, Path(max_length=200, pattern=NO_NUL)]
Version = Annotated[str, Path(max_length=200, pattern=NO_NUL)]


def build(promotions: Promotions, view: ModelView, access: Access) -> APIRouter:
    """The router of the models."""
    router = APIRouter(prefix="/api/models", tags=["models"])

    @router.get(
        "",
        operation_id="get_models",
        summary="Versions, aliases, metrics, verdicts, replicas, history",
        dependencies=[access.require("view")],
        responses=openapi.errors(401, 403, 503),
    )
    async def get_models() -> Models:
        return await view.fetch()

    @router.get(
        "/{name}/versions/{version}/reliability",
        operation_id="get_reliability",
        summary="Predicted against actual rates, as training found them",
        dependencies=[access.require("view")],
        responses=openapi.errors(401, 403, 404, 422, 503),
    )
    async def get_reliability(name: Name, version: Version) -> Reliability:
        return await view.fetch_reliability(name, version)

    @router.post(
        "/{name}/promote",
        operation_id="promote_model",
        summary="Make a version the champion; all replicas serve it within seconds",
        responses=openapi.errors(400, 401, 403, 404, 409, 422, 503),
    )
    async def promote(
        name: Name, body: PromoteIn, key: Annotated[KeyRecord, access.require("ml")]
    ) -> ModelChange:
        author = author_of(key, body.reason)
        change = await promotions.promote(name, body.version, author, force=body.force)
        view.forget()
        return change_of(change)

    @router.post(
        "/{name}/rollback",
        operation_id="roll_back_model",
        summary="Back to the champion before",
        responses=openapi.errors(400, 401, 403, 404, 409, 422, 503),
    )
    async def roll_back(
        name: Name, body: RollbackIn, key: Annotated[KeyRecord, access.require("ml")]
    ) -> ModelChange:
        change = await promotions.roll_back(name, author_of(key, body.reason))
        view.forget()
        return change_of(change)

    return router
