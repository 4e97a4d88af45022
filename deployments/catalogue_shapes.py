"""The catalogue as JSON: what clients send, what they get, how they filter a list."""

from dataclasses import dataclass
from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, Field

from stores.nouns import BRANDS, PARTNERS, SLOTS, STRATEGIES, DraftT, Noun, RecordT
from stores.records import (
    LARGEST_ID,
    BrandDraft,
    BrandRecord,
    PartnerDraft,
    PartnerRecord,
    SlotDraft,
    SlotRecord,
    StrategyDraft,
    StrategyRecord,
)

ItemT = TypeVar("ItemT", bound=BaseModel)
NO_NUL = r"^[^\x00]*$"
MOST_ROWS = 500

Reason = Annotated[
    str | None,
    Field(max_length=500, pattern=NO_NUL, description="Why, for the audit log"),
]
Limit = Annotated[int, Field(ge=1, le=MOST_ROWS)]
Offset = Annotated[int, Field(ge=0, le=2**31 - 1)]
Filter = Annotated[str, Field(max_length=200, pattern=NO_NUL)]
Id = Annotated[int, Field(ge=1, le=LARGEST_ID)]


class StrategyIn(StrategyDraft):
    """A strategy as it shall be."""

    reason: Reason = None


class PartnerIn(PartnerDraft):
    """A partner as it shall be."""

    reason: Reason = None


class SlotIn(SlotDraft):
    """A slot as it shall be."""

    reason: Reason = None


class BrandIn(BrandDraft):
    """A brand as it shall be."""

    reason: Reason = None


class Strategy(StrategyRecord):
    """A strategy as it is."""


class Partner(PartnerRecord):
    """A partner as it is."""


class Slot(SlotRecord):
    """A slot as it is."""


class Brand(BrandRecord):
    """A brand as it is."""


class Paged(BaseModel, Generic[ItemT]):
    """Some rows by id; `total` counts all that the filters keep."""

    items: list[ItemT]
    total: int
    limit: int
    offset: int


class StrategyPage(Paged[Strategy]):
    """Some strategies."""


class PartnerPage(Paged[Partner]):
    """Some partners."""


class SlotPage(Paged[Slot]):
    """Some slots."""


class BrandPage(Paged[Brand]):
    """Some brands."""


class ListQuery(BaseModel):
    """Which rows to list; `name` is any part of the name or the external key."""

    model_config = ConfigDict(extra="forbid")

    limit: Limit = 50
    offset: Offset = 0
    name: Filter | None = None

    def where(self) -> dict[str, int | str | bool]:
        """The columns that are asked for."""
        own = {"limit", "offset", "name"}
        return self.model_dump(exclude=own, exclude_none=True)


class PartnerQuery(ListQuery):
    """Which partners to list."""

    paused: bool | None = None


class SlotQuery(ListQuery):
    """Which slots to list."""

    partner_id: Id | None = None
    vertical: Filter | None = None
    paused: bool | None = None


class BrandQuery(ListQuery):
    """Which brands to list."""

    strategy_id: Id | None = None
    vertical: Filter | None = None
    paused: bool | None = None


@dataclass(frozen=True, slots=True)
class Shapes(Generic[DraftT, RecordT]):
    """One noun with its JSON; `plural` is its path."""

    noun: Noun[DraftT, RecordT]
    plural: str
    body: type[BaseModel]
    record: type[BaseModel]
    page: type[BaseModel]
    query: type[ListQuery]


STRATEGY_SHAPES = Shapes(STRATEGIES, "strategies", StrategyIn, Strategy, StrategyPage, ListQuery)
PARTNER_SHAPES = Shapes(PARTNERS, "partners", PartnerIn, Partner, PartnerPage, PartnerQuery)
SLOT_SHAPES = Shapes(SLOTS, "slots", SlotIn, Slot, SlotPage, SlotQuery)
BRAND_SHAPES = Shapes(BRANDS, "brands", BrandIn, Brand, BrandPage, BrandQuery)
