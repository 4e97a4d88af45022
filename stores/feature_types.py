"""What the serving path reads of a slot and of the rules, as values that pickle well."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from bidding.bundle import RuleBook, SlotTerms
from bidding.pricing import Floats, PricingModel
from stores.changes import Change

# Our id, or the publisher's own key.
SlotKey = int | str


@dataclass(frozen=True, slots=True)
class Counts:
    """Impressions, clicks and conversions, each >= 0; fractions where they are decayed."""

    impressions: float = 0.0
    clicks: float = 0.0
    conversions: float = 0.0


@dataclass(frozen=True, slots=True, eq=False)
class PairCounts:
    """The counts of every brand seen on one slot, k columns.

    `brand_ids` int64[k] ascending; `plain` and `decayed` float64[3, k] with the rows
    impressions, clicks, conversions.
    """

    brand_ids: NDArray[np.int64]
    plain: Floats
    decayed: Floats

    def decayed_of(self, brand_ids: NDArray[np.int64]) -> Floats:
        """The decayed counts of the brands asked for, float64[3, n]; 0 without history."""
        return self._columns(self.decayed, brand_ids)

    def plain_of(self, brand_ids: NDArray[np.int64]) -> Floats:
        """The whole counts of the brands asked for, float64[3, n]; 0 without history."""
        return self._columns(self.plain, brand_ids)

    def _columns(self, counts: Floats, brand_ids: NDArray[np.int64]) -> Floats:
        if len(self.brand_ids) == 0:
            return np.zeros((3, len(brand_ids)))
        rows = self.brand_ids.searchsorted(brand_ids).clip(max=len(self.brand_ids) - 1)
        return np.where(self.brand_ids[rows] == brand_ids, counts[:, rows], 0.0)


def no_pairs() -> PairCounts:
    """A slot without any history."""
    return PairCounts(np.empty(0, np.int64), np.empty((3, 0)), np.empty((3, 0)))


@dataclass(frozen=True, slots=True)
class PartnerFeatures:
    """The publisher of a slot; `quality` in [0, 1]."""

    partner_id: int
    external_key: str
    quality: float
    bought_by: PricingModel | None = None
    paused: bool = False


@dataclass(frozen=True, slots=True)
class SlotFeatures:
    """One slot with its partner and its history.

    `placement_score` in [0, 1]; `floor` per 1,000 impressions (CPM); `decayed` sums all
    brands; `version` is the last change that this has seen.
    """

    slot_id: int
    external_key: str
    placement_score: float
    floor: float
    vertical: str
    width: int | None
    height: int | None
    format: str | None
    paused: bool
    partner: PartnerFeatures
    decayed: Counts = Counts()
    pairs: PairCounts = field(default_factory=no_pairs)
    version: int = 0

    def terms(self) -> SlotTerms:
        """The slot as the rules see it."""
        return SlotTerms(
            slot_id=self.slot_id,
            floor=self.floor,
            paused=self.paused,
            partner_paused=self.partner.paused,
            bought_by=self.partner.bought_by,
        )


@dataclass(frozen=True, slots=True)
class SlotsFetched:
    """The slots found, and what became of the other keys.

    `unknown`: there is no such slot. `unanswered`: no store could tell in time. `missing`
    names the stores that could not be asked ("redis", "postgres").
    """

    slots: Mapping[SlotKey, SlotFeatures]
    unknown: frozenset[SlotKey] = frozenset()
    unanswered: frozenset[SlotKey] = frozenset()
    missing: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class VerticalPrior:
    """A fitted beta prior: a = `prior_clicks`, a + b = `prior_imps`; rates in [0, 1]."""

    prior_clicks: float
    prior_imps: float
    mean: float
    low: float
    high: float
    pairs: int


Rate = Literal["ctr", "cvr"]


@dataclass(frozen=True, slots=True)
class RulesSnapshot:
    """All strategies, brands and priors at one moment; `rules.version` dates it.

    `brand_ids` by external key, `brand_counts` decayed by brand id, `priors` by vertical
    and rate.
    """

    rules: RuleBook
    brand_ids: Mapping[str, int]
    brand_counts: Mapping[int, Counts]
    priors: Mapping[tuple[str, Rate], VerticalPrior]

    @property
    def version(self) -> int:
        return self.rules.version


@dataclass(frozen=True, slots=True)
class RulesFetched:
    """The rules, and the names of the stores that could not be asked."""

    snapshot: RulesSnapshot
    missing: frozenset[str] = frozenset()


class Features(Protocol):
    """What ingress and features replicas need of the stores; `FeatureStore` and its twin."""

    async def fetch_slots(
        self, keys: Iterable[SlotKey], deadline: float, at_least: int = 0
    ) -> SlotsFetched:
        """The slots behind `keys`, within `deadline` seconds; as of version `at_least` if possible.

        Raises `StoreUnavailable` when no store could answer for any of the keys.
        """
        ...

    async def fetch_rules(self, deadline: float, at_least: int = 0) -> RulesFetched:
        """The rules of now, within `deadline` seconds; `StoreUnavailable` if nobody knows.

        As of version `at_least` if possible.
        """
        ...

    def watch_changes(self) -> AsyncIterator[Change]:
        """Every committed change, once, from whichever store delivers it first."""
        ...

    def down(self) -> frozenset[str]:
        """The stores known not to answer just now."""
        ...

    async def aclose(self) -> None: ...
