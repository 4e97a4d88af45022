"""`GET /api/decisions`: what was decided, newest first, and one decision in full."""

from datetime import UTC, datetime, timedelta
from typing import Annotated
from uuid import UUID

import msgspec
from fastapi import APIRouter, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from bidding.decision_ids import CHANCE_BYTES, decision_id
from bidding.errors import NotFound
from bidding.reasons import Reason
from deployments import openapi
from deployments.access import Access
from deployments.decision_shapes import Decision, DecisionPage, decision_of, summary_of
from deployments.json_body import wrong
from stores.decision_types import DecisionReader, Search

PATH = "/api/decisions"
MOST_ON_A_PAGE = 500
Id = Annotated[int, Field(ge=1, le=2**63 - 1)]
Text = Annotated[str, Field(max_length=64)]
# By the last of the ids that a millisecond can have, nothing that was decided in it is left out.
LAST_CHANCE = b"\xff" * CHANCE_BYTES
BEFORE = (
    "The `decision_id` of the last decision of the page before. A time also does, and repeats "
    "what was decided in its millisecond."
)
_encode = msgspec.json.Encoder().encode


class DecisionsQuery(BaseModel):
    """All that is given must hold; with both, that brand's bid has that reason."""

    model_config = ConfigDict(extra="forbid")

    slot_id: Id | None = None
    brand_id: Id | None = None
    reason: Text | None = None
    before: Text | None = Field(default=None, description=BEFORE)
    limit: int = Field(default=50, ge=1, le=MOST_ON_A_PAGE)


def build(decisions: DecisionReader, access: Access, kept_days: int) -> APIRouter:
    """The router of the decision log, which is kept for `kept_days`."""
    router = APIRouter(tags=["decisions"], dependencies=[access.require("view")])

    @router.get(
        PATH,
        operation_id="list_decisions",
        response_class=Response,
        responses={
            200: openapi.answer(DecisionPage, "Newest first"),
            **openapi.errors(401, 403, 422, 503),
        },
    )
    async def list_decisions(query: Annotated[DecisionsQuery, Query()]) -> Response:
        """Logged decisions, newest first."""
        since = datetime.now(UTC) - timedelta(days=kept_days)
        found = await decisions.search(search_of(query, since))
        return _json(DecisionPage([summary_of(each) for each in found]))

    @router.get(
        PATH + "/{decision_id}",
        operation_id="get_decision",
        response_class=Response,
        responses={
            200: openapi.answer(Decision, "The decision with its bids, as far as they are kept"),
            **openapi.errors(401, 403, 404, 422, 503),
        },
    )
    async def get_decision(decision_id: UUID) -> Response:
        """One decision, and every bid with what its value was made of."""
        found = await decisions.fetch_one(decision_id)
        if found is None:
            raise NotFound(
                f"decision_id: no decision {decision_id}; the log keeps {kept_days} days, and what "
                "was decided a moment ago comes in a second"
            )
        return _json(decision_of(found))

    return router


def search_of(query: DecisionsQuery, since: datetime) -> Search:
    """Raises `InvalidRequest` for an unknown reason and a `before` that is neither id nor time."""
    return Search(
        since=since,
        slot_id=query.slot_id,
        brand_id=query.brand_id,
        reason=_reason(query.reason),
        before=_before(query.before),
        limit=query.limit,
    )


def _reason(name: str | None) -> int | None:
    if not name:
        return None
    if name not in Reason.__members__:
        raise wrong("reason", f"there is no {name!r}; there are {', '.join(Reason.__members__)}")
    return Reason[name].value


def _before(text: str | None) -> UUID | None:
    if not text:
        return None
    try:
        return UUID(text)
    except ValueError:
        pass
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise wrong("before", "is neither a decision_id nor a time (ISO 8601)") from None
    at = at.replace(tzinfo=UTC) if at.tzinfo is None else at
    return decision_id(at, LAST_CHANCE)


def _json(found: msgspec.Struct) -> Response:
    return Response(_encode(found), media_type="application/json")
