"""From slot, brands and request to posteriors and the matrix; and from contributions to words."""

from collections import OrderedDict
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.batch import ScoreBatch
from bidding.contract import FeatureContract, code, codes
from bidding.evaluate import Evaluation
from bidding.explain import Contributions, Explanation, FactorGroup, explain
from bidding.matrix import bundle_batch
from bidding.posterior import History, Posterior, Prior, Shrinkage, pair_posterior
from bidding.pricing import Floats
from deployments.rules_view import RulesView
from deployments.score_request import ScoreRequest
from stores.feature_contract import load_contract
from stores.feature_types import Rate, SlotFeatures

_IMPRESSIONS, _CLICKS, _CONVERSIONS = 0, 1, 2
ByGroup = dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Posteriors:
    """Both rates of n pairs: `ctr`, `cvr` are the means, `slot_rate`, `brand_rate` those that
    stand behind the CTR. The posteriors hold the rest: of these pairs, or, where there are `rows`,
    of more, among which those are these pairs'."""

    ctr_posterior: Posterior
    cvr_posterior: Posterior
    ctr: Floats
    cvr: Floats
    slot_rate: Floats
    brand_rate: Floats
    rows: NDArray[np.intp] | None = None

    def take(self, rows: NDArray[np.intp]) -> "Posteriors":
        """The pairs of these rows, of posteriors that are whole."""
        return Posteriors(
            self.ctr_posterior,
            self.cvr_posterior,
            self.ctr.take(rows),
            self.cvr.take(rows),
            self.slot_rate.take(rows),
            self.brand_rate.take(rows),
            rows,
        )

    def intervals(self) -> tuple[Floats, Floats]:
        """The 95% intervals of CTR and CVR, float64[n, 2] each: explanations alone need them."""
        ctr, cvr = (
            np.column_stack((each if self.rows is None else each.take(self.rows)).interval())
            for each in (self.ctr_posterior, self.cvr_posterior)
        )
        return ctr, cvr


@dataclass(frozen=True, slots=True)
class _SlotTable:
    """The posteriors of one slot with every brand, and what they were worked out from."""

    view: RulesView
    slot: SlotFeatures
    posteriors: Posteriors


# Brands of a catalogue whose posteriors are worked out ahead, and pairs kept: about 200 MB.
LARGEST_TABLE = 5_000
KEPT_PAIRS = 2_000_000
_cached_code = lru_cache(maxsize=100_000)(code)


class Estimator:
    """Holds the contract and the shrinkage; everything else comes with the call."""

    def __init__(self, contract: FeatureContract, shrinkage: Shrinkage) -> None:
        self._contract = contract
        self._shrinkage = shrinkage
        self._tables: OrderedDict[int, _SlotTable] = OrderedDict()

    @classmethod
    def from_configs(cls) -> "Estimator":
        """As `configs/features.yaml` says."""
        return cls(load_contract(), Shrinkage())

    def estimate(
        self,
        request: ScoreRequest,
        at: datetime,
        view: RulesView,
        slot: SlotFeatures,
        rows: NDArray[np.intp],
    ) -> tuple[Posteriors, ScoreBatch]:
        """The posterior CTR and CVR of each bid's brand on this slot, and the bundle's matrix as
        the contract lays it out. `rows` is where the brands stand in the rules."""
        posteriors = self._posteriors(view, slot, rows)
        shared = {
            "placement_score": slot.placement_score,
            "partner_quality": slot.partner.quality,
            "device_type": code(request.device_type),
            "hour_of_day": at.hour,
            "day_of_week": at.weekday(),
            "width": float("nan") if slot.width is None else slot.width,
            "height": float("nan") if slot.height is None else slot.height,
            "floor": slot.floor,
            "format": _cached_code(slot.format or ""),
            "partner": _cached_code(slot.partner.external_key),
            "browser": code(request.browser),
            "region": code(request.region),
            "city": code(request.city),
            "site": code(request.site),
            "segment_count": len(request.segments),
        }
        per_bid: dict[str, ArrayLike] = {
            "creative_type": _codes(request.creative_types),
            "creative": _codes(request.creatives),
            "brand": view.brand_codes.take(rows),
            "slot_rate": posteriors.slot_rate,
            "brand_rate": posteriors.brand_rate,
        }
        segments = codes(request.segments)
        batch = bundle_batch(
            self._contract, shared, segments, per_bid, posteriors.ctr, posteriors.cvr
        )
        return posteriors, batch

    def _posteriors(
        self, view: RulesView, slot: SlotFeatures, rows: NDArray[np.intp]
    ) -> Posteriors:
        """Worked out once for all brands of a catalogue that is not too large, and kept while
        neither slot nor rules change: a warm bundle only picks its rows."""
        if len(view.rules.brand_ids) > LARGEST_TABLE:
            return self.work_out(view, slot, view.rules.brand_ids.take(rows))
        return self._table(view, slot).take(rows)

    def _table(self, view: RulesView, slot: SlotFeatures) -> Posteriors:
        held = self._tables.get(slot.slot_id)
        if held is not None and held.view is view and held.slot is slot:
            self._tables.move_to_end(slot.slot_id)
            return held.posteriors
        posteriors = self.work_out(view, slot, view.rules.brand_ids)
        self._tables[slot.slot_id] = _SlotTable(view, slot, posteriors)
        while len(self._tables) * len(view.rules.brand_ids) > KEPT_PAIRS:
            self._tables.popitem(last=False)
        return posteriors

    def work_out(
        self, view: RulesView, slot: SlotFeatures, brand_ids: NDArray[np.int64]
    ) -> Posteriors:
        """The posteriors of these brands alone, without keeping anything."""
        pairs = slot.pairs.decayed_of(brand_ids)
        brands = view.counts_of(brand_ids)
        d = slot.decayed
        slots = np.array([[d.impressions], [d.clicks], [d.conversions]])
        counts = (pairs, slots, brands)
        ctr = self._posterior(counts, _CLICKS, _IMPRESSIONS, _prior(view, slot, "ctr"))
        cvr = self._posterior(counts, _CONVERSIONS, _CLICKS, _prior(view, slot, "cvr"))
        return Posteriors(ctr, cvr, ctr.mean, cvr.mean, ctr.slot_mean, ctr.brand_mean)

    def _posterior(
        self, counts: tuple[Floats, Floats, Floats], hits: int, trials: int, prior: Prior
    ) -> Posterior:
        pairs, slots, brands = counts
        history = History(
            pairs[hits], pairs[trials], slots[hits], slots[trials], brands[hits], brands[trials]
        )
        return pair_posterior(history, prior, self._shrinkage)

    def explanations(
        self, evaluation: Evaluation, posteriors: Posteriors, contributions: dict[str, ByGroup]
    ) -> list[dict[str, object]]:
        """Each bid's factors, in the bundle's order."""
        n = len(evaluation.bids)
        ctr_interval, cvr_interval = posteriors.intervals()
        found = Contributions(
            ctr_log_odds=_by_group(contributions.get("ctr"), n),
            cvr_log_odds=_by_group(contributions.get("cvr"), n),
            ctr_interval=ctr_interval,
            cvr_interval=cvr_interval,
        )
        return [_plain(explain(evaluation, index, found)) for index in range(n)]


def _codes(labels: list[str]) -> ArrayLike:
    """A label's code for each bid; one for all where all say the same."""
    if labels.count(labels[0]) == len(labels):
        return _cached_code(labels[0])
    return codes(labels)


def _prior(view: RulesView, slot: SlotFeatures, rate: Rate) -> Prior:
    """The vertical's fitted prior, else the one over all verticals, else (3, 97)."""
    priors = view.snapshot.priors
    fitted = priors.get((slot.vertical, rate)) or priors.get(("", rate))
    return Prior() if fitted is None else Prior(fitted.prior_clicks, fitted.prior_imps)


def _by_group(contributions: ByGroup | None, n: int) -> Floats:
    if contributions is None:
        return np.zeros((n, len(FactorGroup)))
    nothing = np.zeros(n)
    return np.column_stack([contributions.get(g.name.lower(), nothing) for g in FactorGroup])


def _plain(explanation: Explanation) -> dict[str, object]:
    fields = asdict(explanation)
    fields["pricing_model"] = explanation.pricing_model.name
    fields["reason"] = explanation.reason.name
    fields["max_vpi"] = None if np.isinf(explanation.max_vpi) else explanation.max_vpi
    for name in ("vpi", "base_value", "cap"):
        fields[name] = None if np.isnan(fields[name]) else fields[name]
    fields["factors"] = {
        name: None if np.isnan(value) else value for name, value in explanation.factors.items()
    }
    return fields
