"""`POST /strategies/{id}/what-if`: what the last decisions would be with another multiplier."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from deployments import openapi
from deployments.access import Access
from deployments.routes.catalogue import RowId
from deployments.what_if import Answer, Proposal, WhatIf
from stores.brand_names import BrandNames
from stores.records import Priority, Whole

MOST_DECISIONS = 50_000


class WhatIfIn(BaseModel):
    """A strategy as it might be; nothing is saved."""

    model_config = ConfigDict(extra="forbid")

    vpi_multiplier: Annotated[float, Field(gt=0, le=10, allow_inf_nan=False, strict=True)]
    priority: Priority | None = None
    decisions: Annotated[
        int, Field(ge=1, le=MOST_DECISIONS, strict=True, description="How many of the last"), Whole
    ] = 10_000


class WhatIfBrand(BaseModel):
    """One brand that won under either."""

    brand_id: int
    name: str
    wins_before: int
    wins_after: int
    value_before: float
    value_after: float


class WhatIfAnswer(BaseModel):
    """Before is the rules as they are now, after is with the proposal.

    Values are what the won impressions are expected to bring, without the multiplier.
    """

    model_config = ConfigDict(title="WhatIf")

    decisions: int
    changed_winners: int
    took_ms: float
    value_before: float
    value_after: float
    wins_before: int
    wins_after: int
    brands: list[WhatIfBrand]


def build(what_if: WhatIf, names: BrandNames, access: Access) -> APIRouter:
    """The router of what-if."""
    router = APIRouter(tags=["strategies"])

    @router.post(
        "/strategies/{id}/what-if",
        operation_id="what_if_strategy",
        summary="Decide the last logged decisions again with another multiplier",
        dependencies=[access.require("view")],
        responses=openapi.errors(400, 401, 403, 404, 413, 422, 503),
    )
    async def ask(row_id: RowId, body: WhatIfIn) -> WhatIfAnswer:
        proposal = Proposal(row_id, body.vpi_multiplier, body.priority)
        answer = await what_if.ask(proposal, body.decisions)
        found = answer.comparison
        brand_ids = sorted(found.before.wins.keys() | found.after.wins.keys())
        return _answer(answer, brand_ids, await names.fetch(brand_ids))

    return router


def _answer(answer: Answer, brand_ids: list[int], names: dict[int, str]) -> WhatIfAnswer:
    before, after = answer.comparison.before, answer.comparison.after
    return WhatIfAnswer(
        decisions=answer.comparison.decisions,
        changed_winners=answer.comparison.changed_winners,
        took_ms=round(answer.took_ms, 1),
        value_before=sum(before.value.values()),
        value_after=sum(after.value.values()),
        wins_before=sum(before.wins.values()),
        wins_after=sum(after.wins.values()),
        brands=[
            WhatIfBrand(
                brand_id=brand_id,
                name=names.get(brand_id, ""),
                wins_before=before.wins.get(brand_id, 0),
                wins_after=after.wins.get(brand_id, 0),
                value_before=before.value.get(brand_id, 0.0),
                value_after=after.value.get(brand_id, 0.0),
            )
            for brand_id in brand_ids
        ],
    )
