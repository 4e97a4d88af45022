"""`GET /api/estimates`: what is believed of a slot and a brand, as the scoring path believes it."""

from typing import Annotated

import numpy as np
from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict

from bidding.errors import NotFound, StoreUnavailable, UnknownSlot
from bidding.posterior import Posterior
from deployments import openapi
from deployments.access import Access
from deployments.catalogue_shapes import Id
from deployments.estimates import Estimator
from deployments.rules_view import RulesView, view_of
from stores.feature_types import Features, SlotFeatures

DEADLINE_S = 2.0
_IMPRESSIONS, _CLICKS, _CONVERSIONS = 0, 1, 2


class EstimatesQuery(BaseModel):
    """A slot and a brand, by our ids."""

    model_config = ConfigDict(extra="forbid")

    slot_id: Id
    brand_id: Id


class CtrEstimate(BaseModel):
    """Clicks per impression: (clicks + prior_clicks) / (impressions + prior_imps) is the mean.

    Counts are decayed: recent history counts more. The prior is what slot, brand and vertical
    lend to the pair. `low` to `high` holds 95% of the posterior.
    """

    impressions: float
    clicks: float
    prior_clicks: float
    prior_imps: float
    mean: float
    low: float
    high: float


class CvrEstimate(BaseModel):
    """Conversions per click: (conversions + prior_conversions) / (clicks + prior_clicks)."""

    clicks: float
    conversions: float
    prior_conversions: float
    prior_clicks: float
    mean: float
    low: float
    high: float


class Seen(BaseModel):
    """The pair's whole history, not decayed."""

    impressions: float
    clicks: float
    conversions: float


class Estimates(BaseModel):
    """Both rates of one slot and brand."""

    slot_id: int
    brand_id: int
    seen: Seen
    ctr: CtrEstimate
    cvr: CvrEstimate


def build(features: Features, estimator: Estimator, access: Access) -> APIRouter:
    """The router of the estimates."""
    router = APIRouter(tags=["estimates"])

    @router.get(
        "/api/estimates",
        operation_id="get_estimates",
        summary="Counts, prior, posterior mean and 95% interval of a slot and brand",
        dependencies=[access.require("view")],
        responses=openapi.errors(401, 403, 404, 422, 503),
    )
    async def estimates(query: Annotated[EstimatesQuery, Query()]) -> Estimates:
        slot = await _slot(features, query.slot_id)
        view = view_of((await features.fetch_rules(DEADLINE_S)).snapshot)
        if query.brand_id not in view.snapshot.rules.brands:
            raise NotFound(f"brand_id: there is no brand {query.brand_id}")
        return estimates_of(estimator, view, slot, query.brand_id)

    return router


async def _slot(features: Features, slot_id: int) -> SlotFeatures:
    fetched = await features.fetch_slots([slot_id], DEADLINE_S)
    if slot_id in fetched.unknown:
        raise UnknownSlot(f"slot_id: there is no slot {slot_id}")
    if slot_id not in fetched.slots:
        raise StoreUnavailable("no store answers for this slot")
    return fetched.slots[slot_id]


def estimates_of(
    estimator: Estimator, view: RulesView, slot: SlotFeatures, brand_id: int
) -> Estimates:
    """The answer for one pair."""
    brand_ids = np.array([brand_id], np.int64)
    found = estimator.work_out(view, slot, brand_ids)
    impressions, clicks, conversions = slot.pairs.decayed_of(brand_ids)[:, 0].tolist()
    seen = slot.pairs.plain_of(brand_ids)[:, 0].tolist()
    ctr, cvr = _numbers(found.ctr_posterior), _numbers(found.cvr_posterior)
    return Estimates(
        slot_id=slot.slot_id,
        brand_id=brand_id,
        seen=Seen(
            impressions=seen[_IMPRESSIONS], clicks=seen[_CLICKS], conversions=seen[_CONVERSIONS]
        ),
        ctr=CtrEstimate(
            impressions=impressions,
            clicks=clicks,
            prior_clicks=ctr["alpha"] - min(clicks, impressions),
            prior_imps=ctr["alpha"] + ctr["beta"] - impressions,
            mean=ctr["mean"],
            low=ctr["low"],
            high=ctr["high"],
        ),
        cvr=CvrEstimate(
            clicks=clicks,
            conversions=conversions,
            prior_conversions=cvr["alpha"] - min(conversions, clicks),
            prior_clicks=cvr["alpha"] + cvr["beta"] - clicks,
            mean=cvr["mean"],
            low=cvr["low"],
            high=cvr["high"],
        ),
    )


def _numbers(posterior: Posterior) -> dict[str, float]:
    low, high = posterior.interval()
    columns = {
        "alpha": posterior.alpha,
        "beta": posterior.beta,
        "mean": posterior.mean,
        "low": low,
        "high": high,
    }
    return {name: float(column[0]) for name, column in columns.items()}
