"""The four things ops edit, each with its table, its columns and what holds on to it."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from stores.records import (
    BrandDraft,
    BrandRecord,
    Draft,
    PartnerDraft,
    PartnerRecord,
    SlotDraft,
    SlotRecord,
    Stored,
    StrategyDraft,
    StrategyRecord,
)

DraftT = TypeVar("DraftT", bound=Draft)
RecordT = TypeVar("RecordT", bound=Stored)


@dataclass(frozen=True, slots=True)
class Holder:
    """Rows that name this one, so that it can't be deleted: `names` lists some of them."""

    noun: str
    names: str


@dataclass(frozen=True, slots=True)
class Noun(Generic[DraftT, RecordT]):
    """One kind of catalogue row. `name` is the word in the API and in the audit log.

    `computed` is SQL of what a record has beside its columns.
    """

    name: str
    table: str
    draft: type[DraftT]
    record: type[RecordT]
    holders: tuple[Holder, ...] = ()
    computed: str = ""

    @property
    def selected(self) -> str:
        """What a query reads of a row: its columns, and what is counted for it."""
        return f"*, {self.computed}" if self.computed else "*"

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns a caller may set."""
        return tuple(self.draft.model_fields)

    @property
    def parent(self) -> tuple[str, str] | None:
        """The column that names another noun's row, and that noun's table."""
        if "strategy_id" in self.columns:
            return "strategy_id", "brand_strategy"
        return ("partner_id", "partner") if "partner_id" in self.columns else None


_HISTORY = "SELECT 'its history' WHERE EXISTS (SELECT FROM {} WHERE {} = $1)"

STRATEGIES: Noun[StrategyDraft, StrategyRecord] = Noun(
    "strategy",
    "brand_strategy",
    StrategyDraft,
    StrategyRecord,
    (Holder("brands", "SELECT name FROM brand WHERE strategy_id = $1 ORDER BY id LIMIT 21"),),
    "(SELECT count(*) FROM brand WHERE strategy_id = brand_strategy.id) AS brands",
)
PARTNERS: Noun[PartnerDraft, PartnerRecord] = Noun(
    "partner",
    "partner",
    PartnerDraft,
    PartnerRecord,
    (Holder("slots", "SELECT name FROM slot WHERE partner_id = $1 ORDER BY id LIMIT 21"),),
)
SLOTS: Noun[SlotDraft, SlotRecord] = Noun(
    "slot",
    "slot",
    SlotDraft,
    SlotRecord,
    (
        Holder("performance", _HISTORY.format("pair_total", "slot_id")),
        Holder("decisions", _HISTORY.format("decision", "slot_id")),
    ),
)
BRANDS: Noun[BrandDraft, BrandRecord] = Noun(
    "brand",
    "brand",
    BrandDraft,
    BrandRecord,
    (Holder("performance", _HISTORY.format("brand_total", "brand_id")),),
)
NOUNS: dict[str, Noun[Draft, Stored]] = {
    noun.name: noun  # type: ignore[misc]
    for noun in (STRATEGIES, PARTNERS, SLOTS, BRANDS)
}
