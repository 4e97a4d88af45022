"""The routes of one noun of the catalogue; strategies, partners, slots and brands are alike."""

import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from pydantic import BaseModel

from bidding.errors import FieldProblem, InvalidRequest, PreconditionMissing
from deployments import openapi
from deployments.access import Access, author_of, reason_of
from deployments.catalogue_shapes import (
    BRAND_SHAPES,
    PARTNER_SHAPES,
    SLOT_SHAPES,
    STRATEGY_SHAPES,
    ListQuery,
    Shapes,
)
from stores.editing import Editing
from stores.key_types import KeyRecord
from stores.nouns import DraftT, RecordT
from stores.records import LARGEST_ID, Stored

RowId = Annotated[int, Path(alias="id", ge=1, le=LARGEST_ID)]
XReason = Annotated[
    str | None,
    Header(alias="X-Reason", max_length=500, description="Why, for the audit log; percent-encoded"),
]
_SEEN = re.compile(r'\*|(W/)?"[!#-~]*"')
_OURS = re.compile(r'"[1-9][0-9]{0,8}"')
# What no row is at: the ETag of something else, or a weak one, which If-Match never takes
# (RFC 9110, 13.1.1).
NO_VERSION = 0
# Documented by hand: FastAPI would answer 422 where a required header is missing, not 428.
_IF_MATCH = {
    "parameters": [
        {
            "name": "If-Match",
            "in": "header",
            "required": True,
            "description": "The ETag that was read; `*` takes any. Without it: 428.",
            "schema": {"type": "string", "pattern": f"^({_SEEN.pattern})$"},
        }
    ]
}
_ETAG = openapi.header("ETag", "The row's version")
_LOCATION = openapi.header("Location", "Where the new row is")
_REFUSED = (401, 403, 422, 503)
_WRITE_REFUSED = (400, *_REFUSED, 409, 413)


async def seen_version(request: Request) -> int | None:
    """The version that the caller has seen; `None` takes any.

    An ETag that was never ours is `NO_VERSION`. Raises `PreconditionMissing`, or
    `InvalidRequest` for what is no ETag.
    """
    given = request.headers.get("if-match")
    if given is None:
        raise PreconditionMissing("send If-Match with the ETag that you have read, or *")
    if not _SEEN.fullmatch(given):
        problem = FieldProblem("If-Match", 'must be one ETag as it was read, like "3", or *')
        raise InvalidRequest(f"If-Match {problem.problem}", problems=(problem,))
    if given == "*":
        return None
    return int(given.strip('"')) if _OURS.fullmatch(given) else NO_VERSION


SeenVersion = Annotated[int | None, Depends(seen_version)]


def build_all(editing: Editing, access: Access) -> list[APIRouter]:
    """The routers of all four nouns."""
    return [
        build(STRATEGY_SHAPES, editing, access),
        build(PARTNER_SHAPES, editing, access),
        build(SLOT_SHAPES, editing, access),
        build(BRAND_SHAPES, editing, access),
    ]


def build(shapes: Shapes[DraftT, RecordT], editing: Editing, access: Access) -> APIRouter:
    """The router of one noun."""
    noun, name = shapes.noun, shapes.noun.name
    router = APIRouter(prefix=f"/{shapes.plural}", tags=[shapes.plural])
    viewer, operator = access.require("view"), access.require("ops")
    Body, AQuery = shapes.body, shapes.query  # noqa: N806 (types, as the signatures need them)

    @router.get(
        "",
        operation_id=f"list_{shapes.plural}",
        summary=f"List {shapes.plural}, oldest first",
        response_model=shapes.page,
        dependencies=[viewer],
        responses=openapi.errors(*_REFUSED),
    )
    async def list_rows(query: Annotated[AQuery, Query()]) -> dict[str, Any]:  # type: ignore[valid-type]
        return await _page(shapes, editing, query)

    @router.post(
        "",
        operation_id=f"create_{name}",
        summary=f"Make a {name}",
        response_model=shapes.record,
        status_code=201,
        responses=openapi.headers(201, _ETAG | _LOCATION) | openapi.errors(*_WRITE_REFUSED),
    )
    async def create(
        body: Body,  # type: ignore[valid-type]
        response: Response,
        key: Annotated[KeyRecord, operator],
        x_reason: XReason = None,
    ) -> Stored:
        draft, reason = _split(shapes, body, x_reason)
        made = await editing.create(noun, draft, author_of(key, reason))
        response.headers["Location"] = f"/{shapes.plural}/{made.id}"
        return _tagged(made, response)

    @router.get(
        "/{id}",
        operation_id=f"get_{name}",
        summary=f"Read a {name}",
        response_model=shapes.record,
        dependencies=[viewer],
        responses=openapi.headers(200, _ETAG) | openapi.errors(*_REFUSED, 404),
    )
    async def read(row_id: RowId, response: Response) -> Stored:
        row = await editing.fetch(noun, row_id)
        return _tagged(row, response)

    @router.put(
        "/{id}",
        operation_id=f"replace_{name}",
        summary=f"Change a {name}: every field as given, the others by default",
        response_model=shapes.record,
        responses=openapi.headers(200, _ETAG) | openapi.errors(*_WRITE_REFUSED, 404, 412, 428),
        openapi_extra=_IF_MATCH,
    )
    async def replace(
        row_id: RowId,
        body: Body,  # type: ignore[valid-type]
        response: Response,
        key: Annotated[KeyRecord, operator],
        version: SeenVersion,
        x_reason: XReason = None,
    ) -> Stored:
        draft, reason = _split(shapes, body, x_reason)
        author = author_of(key, reason)
        made = await editing.replace(noun, row_id, draft, author, version=version)
        return _tagged(made, response)

    @router.delete(
        "/{id}",
        operation_id=f"delete_{name}",
        summary=f"Delete a {name} that nothing uses",
        status_code=204,
        responses=openapi.errors(*_REFUSED, 404, 409, 412, 428),
        openapi_extra=_IF_MATCH,
    )
    async def delete(
        row_id: RowId,
        key: Annotated[KeyRecord, operator],
        version: SeenVersion,
        x_reason: XReason = None,
    ) -> None:
        author = author_of(key, reason_of(x_reason))
        await editing.delete(noun, row_id, author, version=version)

    return router


async def _page(
    shapes: Shapes[DraftT, RecordT], editing: Editing, query: ListQuery
) -> dict[str, Any]:
    page = await editing.fetch_page(
        shapes.noun,
        name=query.name,
        where=query.where(),
        limit=query.limit,
        offset=query.offset,
    )
    return {
        "items": page.rows,
        "total": page.total,
        "limit": query.limit,
        "offset": query.offset,
    }


def _split(
    shapes: Shapes[DraftT, RecordT], body: BaseModel, x_reason: str | None
) -> tuple[DraftT, str | None]:
    """The row as it shall be, and why; what the body says of it comes before the header."""
    reason = getattr(body, "reason", None) or reason_of(x_reason)
    return shapes.noun.draft.model_validate(body.model_dump(exclude={"reason"})), reason


def _tagged(row: Stored, response: Response) -> Stored:
    response.headers["ETag"] = f'"{row.version}"'
    return row
