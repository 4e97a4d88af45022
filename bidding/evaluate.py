"""`evaluate_bids`: the only place that holds rules. One bundle in, every bid's verdict out.

The HTTP path, replay, what-if and the tests call the same function.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bidding.auction import Contender, NoWinner, Reserve, Winner, clearing_price, rank_order
from bidding.bundle import AuctionType, Bids, Odds, RuleBook, SlotTerms
from bidding.pricing import Flags, Floats, PricingModel, base_value, pays_per_conversion
from bidding.quality import Quality, quality_of, squash
from bidding.reasons import Reason
from bidding.rulebook import BrandTerms, CompiledRules, compile_rules

_PER_IMPRESSION = 1000.0
_LARGEST = float(np.finfo(np.float64).max)
_BOUGHT = (PricingModel.CPM, PricingModel.CPC)


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Every bid's verdict, column by column in the order of `bids`, and the auction's outcome.

    Values (float64[n]): `uncapped_vpi` = `base_value` * `quality_multiplier` * `multiplier`,
    with `quality_multiplier` = `quality_factor` ** `quality_exponent`; `vpi` is that, at most
    `max_vpi`. `quality_defaulted` marks unusable qualities taken as 1. `min_vpi`, `max_vpi`
    are the thresholds used: 0 and infinite where there is none. A missing `aov` makes
    `base_value` and the VPI NaN.

    Verdicts: `rank` int32[n] is 1.. for ranked bids and 0 for no-bids; `reason` int16[n]
    holds `Reason` numbers; `order` lists the ranked bids' indices, best first.
    """

    bids: Bids
    odds: Odds
    base_value: Floats
    quality_factor: Floats
    quality_defaulted: Flags
    quality_exponent: Floats
    quality_multiplier: Floats
    multiplier: Floats
    uncapped_vpi: Floats
    vpi: Floats
    capped: Flags
    min_vpi: Floats
    max_vpi: Floats
    floor_vpi: float
    rank: NDArray[np.int32]
    reason: NDArray[np.int16]
    order: NDArray[np.intp]
    winner: Winner | NoWinner
    rules_version: int


@dataclass(frozen=True, slots=True)
class LoggedBundle:
    """What a logged decision was made from: enough to make it again under other rules."""

    bids: Bids
    slot: SlotTerms
    odds: Odds
    auction: AuctionType


@dataclass(slots=True)
class _Valued:
    """The bundle between valuing and judging."""

    bids: Bids
    odds: Odds
    terms: BrandTerms
    base_value: Floats
    quality: Quality
    quality_exponent: Floats
    quality_multiplier: Floats
    uncapped_vpi: Floats
    vpi: Floats
    floor_vpi: float


def evaluate_bids(
    bids: Bids,
    slot: SlotTerms,
    odds: Odds,
    rules: RuleBook | CompiledRules,
    auction: AuctionType = AuctionType.FIRST_PRICE,
    rows: NDArray[np.intp] | None = None,
) -> Evaluation:
    """Value, filter, cap, rank and price one bundle. The order of the bids never matters.

    A plain `RuleBook` is compiled on each call: a service compiles once per change. `rows` is what
    `CompiledRules.rows_of` says of the bids' brands, where the caller has asked it already.
    Raises `BrokenRuleBook` when a brand of a plain book names a missing strategy.
    """
    compiled = rules if isinstance(rules, CompiledRules) else compile_rules(rules)
    if rows is None:
        rows = compiled.rows_of(bids.brand_ids)
    # Absurd amounts overflow to infinity and then count as the largest number there is.
    with np.errstate(over="ignore", invalid="ignore"):
        valued = _value(bids, slot, odds, compiled, rows)
        reason = _no_bids(valued, slot)
        order = _rank(valued, reason)
        if len(order):
            _mark_outcome(reason, order, valued.vpi)
        winner = _settle(valued, order, auction, compiled.increment / _PER_IMPRESSION)
    return _evaluation(valued, reason, order, winner, compiled.version)


def re_evaluate(logged: LoggedBundle, rules: RuleBook | CompiledRules) -> Evaluation:
    """What a logged decision would have been under these rules."""
    return evaluate_bids(logged.bids, logged.slot, logged.odds, rules, logged.auction)


def _value(
    bids: Bids, slot: SlotTerms, odds: Odds, rules: CompiledRules, rows: NDArray[np.intp]
) -> _Valued:
    terms = rules.terms(bids, rows)
    quality = quality_of(bids.pricing_models, odds)
    exponent = rules.quality_exponents.take(bids.pricing_models)
    quality_multiplier = squash(quality.factor, exponent)
    base = base_value(bids.pricing_models, bids.amounts, bids.aov, odds.ctr, odds.cvr)
    uncapped = _vpi(base, quality_multiplier, terms.multiplier)
    return _Valued(
        bids=bids,
        odds=odds,
        terms=terms,
        base_value=base,
        quality=quality,
        quality_exponent=exponent,
        quality_multiplier=quality_multiplier,
        uncapped_vpi=uncapped,
        vpi=np.minimum(uncapped, terms.max_vpi),
        floor_vpi=slot.floor / _PER_IMPRESSION,
    )


def _vpi(base: Floats, quality_multiplier: Floats, multiplier: Floats) -> Floats:
    return np.minimum(base * quality_multiplier * multiplier, _LARGEST)


def _no_bids(valued: _Valued, slot: SlotTerms) -> NDArray[np.int16]:
    """The first rule each bid breaks, OUTBID where it breaks none. The rules are in their order."""
    models, terms = valued.bids.pricing_models, valued.terms
    everywhere = slice(None)
    broken: list[tuple[Reason, Flags | slice]] = [(Reason.UNKNOWN_BRAND, ~terms.known)]
    if slot.paused:
        broken.append((Reason.SLOT_PAUSED, everywhere))
    if slot.partner_paused:
        broken.append((Reason.PARTNER_PAUSED, everywhere))
    broken += [
        (Reason.BRAND_PAUSED, terms.paused),
        (Reason.MISSING_AOV, (models == int(PricingModel.CPA_PERCENT)) & np.isnan(valued.bids.aov)),
    ]
    if slot.bought_by in _BOUGHT:
        refused = pays_per_conversion(models) & ~terms.cpa_on_bought_traffic
        broken.append((Reason.PRICING_NOT_ALLOWED, refused))
    broken += [
        (Reason.ZERO_VALUE, ~(valued.vpi > 0.0)),
        (Reason.BELOW_MIN_VPI, valued.uncapped_vpi < terms.min_vpi),
        (Reason.BELOW_FLOOR, valued.vpi < valued.floor_vpi),
    ]
    reason = np.full(len(models), int(Reason.OUTBID), np.int16)
    for code, where in reversed(broken):
        reason[where] = int(code)
    return reason


def _rank(valued: _Valued, reason: NDArray[np.int16]) -> NDArray[np.intp]:
    """Indices of the ranked bids, best first."""
    entered = (reason == int(Reason.OUTBID)).nonzero()[0]
    bids, priority = valued.bids, valued.terms.priority
    return rank_order(entered, valued.vpi, priority, bids.amounts, bids.bid_ids)


def _mark_outcome(reason: NDArray[np.int16], order: NDArray[np.intp], vpi: Floats) -> None:
    """Tell the winner, and those that only a tie-break parted from it, from the outbid."""
    best = vpi.item(order[0])
    for index in order[1:].tolist():
        if vpi.item(index) != best:
            break
        reason[index] = Reason.TIE_BROKEN
    reason[order[0]] = Reason.WON


def _settle(
    valued: _Valued, order: NDArray[np.intp], auction: AuctionType, increment: float
) -> Winner | NoWinner:
    if not len(order):
        return NoWinner()
    index = int(order[0])
    winner, *rivals = [_contender(valued, i) for i in order[:2].tolist()]
    terms = valued.terms
    reserve = Reserve(valued.floor_vpi, terms.min_vpi.item(index), terms.max_vpi.item(index))

    def worth(amounts: Floats) -> Floats:
        bids, odds, bid = valued.bids, valued.odds, slice(index, index + 1)
        base = base_value(
            bids.pricing_models[bid], amounts, bids.aov[bid], odds.ctr[bid], odds.cvr[bid]
        )
        return _vpi(base, valued.quality_multiplier[bid], terms.multiplier[bid])

    price = clearing_price(auction, winner, rivals, reserve, increment, worth)
    return Winner(index, price.vpi, price.amount)


def _contender(valued: _Valued, index: int) -> Contender:
    return Contender(
        vpi=valued.vpi.item(index),
        uncapped_vpi=valued.uncapped_vpi.item(index),
        priority=valued.terms.priority.item(index),
        amount=valued.bids.amounts.item(index),
        bid_id=valued.bids.bid_ids[index],
    )


def _evaluation(
    valued: _Valued,
    reason: NDArray[np.int16],
    order: NDArray[np.intp],
    winner: Winner | NoWinner,
    rules_version: int,
) -> Evaluation:
    rank = np.zeros(len(reason), np.int32)
    rank[order] = np.arange(1, len(order) + 1, dtype=np.int32)
    return Evaluation(
        bids=valued.bids,
        odds=valued.odds,
        base_value=valued.base_value,
        quality_factor=valued.quality.factor,
        quality_defaulted=valued.quality.defaulted,
        quality_exponent=valued.quality_exponent,
        quality_multiplier=valued.quality_multiplier,
        multiplier=valued.terms.multiplier,
        uncapped_vpi=valued.uncapped_vpi,
        vpi=valued.vpi,
        capped=valued.uncapped_vpi > valued.terms.max_vpi,
        min_vpi=valued.terms.min_vpi,
        max_vpi=valued.terms.max_vpi,
        floor_vpi=valued.floor_vpi,
        rank=rank,
        reason=reason,
        order=order,
        winner=winner,
        rules_version=rules_version,
    )
