"""Partners, slots, brands and strategies as ops write them (drafts) and read them (records).

The drafts hold all validation; FastAPI takes them as bodies. Money and multipliers are exact
decimals inside and plain numbers in JSON.
"""

from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import Annotated, Literal, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)

from stores.schema import MAX_KEY_LENGTH

LARGEST_ID = 2**63 - 1
LARGEST_INT = 2**31 - 1

_NO_NUL = r"^[^\x00]*$"  # PostgreSQL's text can't hold it
_AS_NUMBER = PlainSerializer(float, return_type=float, when_used="json")


def _exact(value: object) -> Decimal:
    """A JSON number as the decimal that was meant; never text."""
    if isinstance(value, float) and isfinite(value):
        return Decimal(f"{value:.15g}")
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return Decimal(value)
    raise ValueError("must be a number")


def _whole(value: object) -> object:
    """`7.0` is the integer 7 in JSON; `"7"` and `true` are none."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _decimal(**bounds: float) -> WithJsonSchema:
    return WithJsonSchema({"type": "number"} | bounds, mode="validation")


ExternalKey = Annotated[str, Field(min_length=1, max_length=MAX_KEY_LENGTH, pattern=_NO_NUL)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Label = Annotated[str, Field(max_length=100, pattern=_NO_NUL)]
Whole = BeforeValidator(_whole)
Flag = Annotated[bool, Field(strict=True)]
RowId = Annotated[int, Field(ge=1, le=LARGEST_ID, strict=True), Whole]
Priority = Annotated[int, Field(ge=-LARGEST_INT, le=LARGEST_INT, strict=True), Whole]
Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False, strict=True)]
Pixels = Annotated[int, Field(ge=1, le=100_000, strict=True), Whole]
Floor = Annotated[
    Decimal,
    Field(ge=0, max_digits=14, decimal_places=6),
    BeforeValidator(_exact),
    _decimal(minimum=0, maximum=99_999_999, multipleOf=0.000001),
    _AS_NUMBER,
]
Multiplier = Annotated[
    Decimal,
    Field(gt=0, le=10, decimal_places=4),
    BeforeValidator(_exact),
    _decimal(exclusiveMinimum=0, maximum=10, multipleOf=0.0001),
    _AS_NUMBER,
]
Vpi = Annotated[float, Field(ge=0, allow_inf_nan=False, strict=True)]
PricingModelName = Literal["CPM", "CPC", "CPA", "CPA_PERCENT"]


class Draft(BaseModel):
    """What a caller may set."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Stored(BaseModel):
    """What the store adds: `version` is the row's ETag."""

    model_config = ConfigDict(
        frozen=True, from_attributes=True, json_schema_serialization_defaults_required=True
    )

    id: int
    version: int
    created_at: datetime
    updated_at: datetime


class StrategyDraft(Draft):
    """A named multiplier; higher `priority` wins ties."""

    name: Name
    vpi_multiplier: Multiplier
    priority: Priority = 0


class StrategyRecord(Stored, StrategyDraft):
    """A row of `brand_strategy`; `brands` counts those that bid by it."""

    brands: int = 0


class PartnerDraft(Draft):
    """A publisher. `bought_by` says how its traffic is paid for; null is a share of revenue."""

    external_key: ExternalKey
    name: Name
    quality: Share = 0.5
    bought_by: Literal["CPM", "CPC"] | None = None
    paused: Flag = False


class PartnerRecord(Stored, PartnerDraft):
    """A row of `partner`."""


class SlotDraft(Draft):
    """A placement that a partner offers; `floor` is per 1,000 impressions (CPM)."""

    external_key: ExternalKey
    partner_id: RowId
    name: Name
    placement_score: Share = 0.5
    floor: Floor = Decimal(0)
    vertical: Label = ""
    width: Pixels | None = None
    height: Pixels | None = None
    format: Label | None = None
    paused: Flag = False


class SlotRecord(Stored, SlotDraft):
    """A row of `slot`."""


class ThresholdDraft(Draft):
    """Default thresholds of one pricing model, in value per impression."""

    min_vpi: Vpi | None = None
    max_vpi: Vpi | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min_vpi is not None and self.max_vpi is not None and self.min_vpi > self.max_vpi:
            raise ValueError("min_vpi must not be above max_vpi")
        return self


class BrandDraft(Draft):
    """An advertiser, with the strategy it bids by."""

    external_key: ExternalKey
    name: Name
    vertical: Label = ""
    strategy_id: RowId
    paused: Flag = False
    cpa_on_bought_traffic: Flag = False
    thresholds: dict[PricingModelName, ThresholdDraft] = Field(default_factory=dict)


class BrandRecord(Stored, BrandDraft):
    """A row of `brand`."""


class AuditRecord(BaseModel):
    """One write: who, when, what before and after, why; `reverts_id` names the write it undid."""

    model_config = ConfigDict(frozen=True)

    id: int
    at: datetime
    actor: str
    entity: str
    entity_id: str
    action: str
    before: dict[str, object] | None
    after: dict[str, object] | None
    reason: str | None
    reverts_id: int | None
