"""`/audit`: who changed what, when and why; and the undo of one write."""

from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from deployments import openapi
from deployments.access import Access, author_of
from deployments.catalogue_shapes import NO_NUL, Filter, Limit, Offset, Paged
from stores.audit import AuditReader, AuditSearch
from stores.editing import Editing
from stores.key_types import KeyRecord
from stores.records import LARGEST_ID, AuditRecord


class AuditEntry(AuditRecord):
    """One write: `before` is null for what was made, `after` for what was deleted."""


class AuditPage(Paged[AuditEntry]):
    """Some writes, newest first."""


class AuditQuery(BaseModel):
    """Which writes to list: all that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    offset: Offset = 0
    entity: Filter | None = None
    entity_id: Filter | None = None
    actor: Filter | None = None


class RevertIn(BaseModel):
    """Why a write is undone, where somebody says so."""

    model_config = ConfigDict(extra="forbid")

    reason: Annotated[str | None, Field(min_length=1, max_length=500, pattern=NO_NUL)] = None


def build(editing: Editing, audit: AuditReader, access: Access) -> APIRouter:
    """The router of the audit log."""
    router = APIRouter(prefix="/audit", tags=["audit"])

    @router.get(
        "",
        operation_id="list_audit",
        summary="Who changed what, newest first",
        response_model=AuditPage,
        dependencies=[access.require("view")],
        responses=openapi.errors(401, 403, 422, 503),
    )
    async def list_audit(query: Annotated[AuditQuery, Query()]) -> dict[str, Any]:
        page = await audit.fetch_page(AuditSearch(**query.model_dump()))
        return {
            "items": page.entries,
            "total": page.total,
            "limit": query.limit,
            "offset": query.offset,
        }

    @router.post(
        "/{id}/revert",
        operation_id="revert_audit",
        summary="Undo one write; the answer is the write that undid it",
        response_model=AuditEntry,
        responses=openapi.errors(400, 401, 403, 404, 409, 413, 422, 503),
    )
    async def revert(
        audit_id: Annotated[int, Path(alias="id", ge=1, le=LARGEST_ID)],
        key: Annotated[KeyRecord, access.require("ops")],
        body: RevertIn | None = None,
    ) -> AuditRecord:
        reason = None if body is None else body.reason
        await editing.revert(audit_id, author_of(key, reason))
        return await audit.fetch_revert(audit_id)

    return router
