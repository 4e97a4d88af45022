"""The rule book as arrays: built once when the rules change, read by every bundle."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.bundle import Bids, Brand, RuleBook, Strategy, Threshold
from bidding.errors import BrokenRuleBook
from bidding.pricing import Flags, Floats, PricingModel

_NO_THRESHOLD = Threshold()
_UNKNOWN = Brand(brand_id=0, strategy_id=0)


@dataclass(frozen=True, slots=True)
class BrandTerms:
    """What the rules need of each bid's brand, one row per bid.

    `multiplier` is 1 where the brand is unknown; `min_vpi` is 0 and `max_vpi` infinite
    where neither the bid nor its brand sets one.
    """

    known: Flags
    paused: Flags
    cpa_on_bought_traffic: Flags
    multiplier: Floats
    priority: NDArray[np.int64]
    min_vpi: Floats
    max_vpi: Floats


@dataclass(frozen=True, slots=True)
class CompiledRules:
    """A `RuleBook` as columns sorted by brand id, so that a bundle is one search and a few takes.

    The last row stands for every unknown brand. Immutable like its book: build a new one
    with `compile_rules` and swap the reference.
    """

    brand_ids: NDArray[np.int64]
    known: Flags
    paused: Flags
    cpa_on_bought_traffic: Flags
    multiplier: Floats
    priority: NDArray[np.int64]
    min_vpi: Floats
    """[brand * 4 + pricing model], 0 where there is none."""
    max_vpi: Floats
    """[brand * 4 + pricing model], infinite where there is none."""
    quality_exponents: Floats
    increment: float
    """Second-price increment per 1,000 impressions (CPM)."""
    version: int

    def rows_of(self, brand_ids: NDArray[np.int64]) -> NDArray[np.intp]:
        """Where the brands stand, intp[n]; the last row for unknown ones."""
        rows = self.brand_ids.searchsorted(brand_ids)
        return np.where(self.brand_ids.take(rows) == brand_ids, rows, len(self.brand_ids) - 1)

    def terms(self, bids: Bids, rows: NDArray[np.intp]) -> BrandTerms:
        """The brands' side of a bundle whose brands stand in `rows`; a bid's own thresholds come
        before its brand's."""
        cells = rows * len(PricingModel) + bids.pricing_models
        return BrandTerms(
            known=self.known.take(rows),
            paused=self.paused.take(rows),
            cpa_on_bought_traffic=self.cpa_on_bought_traffic.take(rows),
            multiplier=self.multiplier.take(rows),
            priority=self.priority.take(rows),
            min_vpi=_own_or(bids.min_vpi, self.min_vpi.take(cells)),
            max_vpi=_own_or(bids.max_vpi, self.max_vpi.take(cells)),
        )


def compile_rules(book: RuleBook) -> CompiledRules:
    """Lay a rule book out as arrays.

    Raises `BrokenRuleBook` when a brand names a strategy that the book does not hold.
    """
    brands = sorted(book.brands.values(), key=lambda brand: brand.brand_id)
    strategies = [_strategy_of(brand, book) for brand in brands]
    return CompiledRules(
        brand_ids=np.array([*(b.brand_id for b in brands), np.iinfo(np.int64).max], np.int64),
        known=np.array([*(True for _ in brands), False]),
        paused=np.array([*(b.paused for b in brands), False]),
        cpa_on_bought_traffic=np.array([*(b.cpa_on_bought_traffic for b in brands), False]),
        multiplier=np.array([*(s.vpi_multiplier for s in strategies), 1.0], np.float64),
        priority=np.array([*(s.priority for s in strategies), 0], np.int64),
        min_vpi=np.array([*map(_minima, brands), _minima(_UNKNOWN)]).ravel(),
        max_vpi=np.array([*map(_maxima, brands), _maxima(_UNKNOWN)]).ravel(),
        quality_exponents=np.array(book.auction.quality_exponents, np.float64),
        increment=book.auction.increment,
        version=book.version,
    )


def _strategy_of(brand: Brand, book: RuleBook) -> Strategy:
    try:
        return book.strategies[brand.strategy_id]
    except KeyError:
        missing = f"brand {brand.brand_id} has strategy {brand.strategy_id}, which is not there"
        raise BrokenRuleBook(missing) from None


def _minima(brand: Brand) -> list[float]:
    found = [brand.thresholds.get(model, _NO_THRESHOLD).min_vpi for model in PricingModel]
    return [0.0 if value is None else float(value) for value in found]


def _maxima(brand: Brand) -> list[float]:
    found = [brand.thresholds.get(model, _NO_THRESHOLD).max_vpi for model in PricingModel]
    return [np.inf if value is None else float(value) for value in found]


def _own_or(own: Floats, brands: Floats) -> Floats:
    return np.where(np.isnan(own), brands, own)
