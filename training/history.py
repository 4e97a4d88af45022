"""Histories of slots, brands and pairs, and the posteriors they give to rows."""

from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bidding.posterior import History, Posterior, Prior, Shrinkage, pair_posterior
from bidding.pricing import Flags, Floats
from bidding.priors import PriorFit, fit_priors
from training.dataset import Dataset, Int64s, RowRates, key_of
from training.split import fold_of

_LEVELS = ("slot", "brand", "pair")


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """Successes and trials by key: `keys` int64[k] ascending, float64[2, k]."""

    keys: Int64s
    totals: Floats

    def of(self, keys: Int64s) -> Floats:
        """Successes and trials of each key, float64[2, n]; 0 for the unknown."""
        if len(self.keys) == 0:
            return np.zeros((2, len(keys)))
        at = self.keys.searchsorted(keys).clip(max=len(self.keys) - 1)
        return np.where(self.keys[at] == keys, self.totals[:, at], 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class RateHistory:
    """What happened to slots, brands and pairs, and the prior of each vertical.

    `verticals` maps a vertical's key to its prior; `overall` is that of all others.
    """

    levels: Mapping[str, Counts]
    verticals: Mapping[int, Prior]
    overall: Prior

    def posterior(self, rows: Dataset) -> Posterior:
        """The posterior of each row's pair."""
        found = [self.levels[level].of(keys) for level, keys in _keys(rows).items()]
        (slot_s, slot_t), (brand_s, brand_t), (pair_s, pair_t) = found
        history = History(pair_s, pair_t, slot_s, slot_t, brand_s, brand_t)
        vertical = rows.keys["vertical"]
        parts = [(vertical == key, prior) for key, prior in self.verticals.items()]
        known = np.any([mine for mine, _ in parts], axis=0) if parts else np.zeros(len(rows), bool)
        parts.append((~known, self.overall))
        return _assemble(history, parts)

    def rates(self, rows: Dataset) -> RowRates:
        """The posterior means of each row."""
        found = self.posterior(rows)
        return RowRates(found.mean, found.slot_mean, found.brand_mean)

    def pair_counts(self, rows: Dataset) -> tuple[Floats, Floats]:
        """Successes and trials of each row's pair, float64[n] each."""
        successes, trials = self.levels["pair"].of(_keys(rows)["pair"])
        return np.minimum(successes, trials), trials

    def save(self, path: Path) -> None:
        """Write as .npz, without pickle."""
        arrays: dict[str, Any] = {
            "verticals": np.array(list(self.verticals), np.int64),
            "priors": np.array(
                [astuple(each) for each in (*self.verticals.values(), self.overall)]
            ),
        }
        for level, counts in self.levels.items():
            arrays |= {f"{level}_keys": counts.keys, f"{level}_totals": counts.totals}
        np.savez_compressed(path, allow_pickle=False, **arrays)


def load_history(path: Path) -> RateHistory:
    """What `RateHistory.save` wrote."""
    with np.load(path, allow_pickle=False) as arrays:
        levels = {x: Counts(arrays[f"{x}_keys"], arrays[f"{x}_totals"]) for x in _LEVELS}
        keys = arrays["verticals"].tolist()
        if "priors" in arrays:
            priors = [Prior(*row) for row in arrays["priors"].tolist()]
        else:  # models of a release that kept only the means
            priors = [Prior(mean * 100.0, 100.0) for mean in arrays["means"].tolist()]
    return RateHistory(levels, dict(zip(keys, priors[:-1], strict=True)), priors[-1])


def history_of(rows: Dataset, priors: Mapping[str, PriorFit]) -> RateHistory:
    """The history that the rows are, under these priors (see `priors_of`)."""
    return RateHistory(
        {level: _count(keys, rows) for level, keys in _keys(rows).items()},
        {key_of(name): fit.prior for name, fit in priors.items() if name},
        priors[""].prior if "" in priors else Prior(),
    )


def priors_of(rows: Dataset, names: Mapping[int, str]) -> dict[str, PriorFit]:
    """The priors of the rows' pairs, by the name of their vertical (see `fit_priors`)."""
    pairs = _keys(rows)["pair"]
    counts = _count(pairs, rows)
    _, first = np.unique(pairs, return_index=True)
    verticals = [names.get(key, "") for key in rows.keys["vertical"][first].tolist()]
    return fit_priors(counts.totals[0], counts.totals[1], verticals)


def out_of_fold_rates(
    rows: Dataset, priors: Mapping[str, PriorFit], folds: int, salt: int
) -> RowRates:
    """Each row's posterior means by the history of the other folds."""
    fold = fold_of(rows.row_keys, folds, salt)
    pair, slot, brand = (np.empty(len(rows)) for _ in range(3))
    for number in range(folds):
        mine = fold == number
        if mine.any():
            found = history_of(rows.take(~mine), priors).rates(rows.take(mine))
            pair[mine], slot[mine], brand[mine] = found.pair, found.slot, found.brand
    return RowRates(pair, slot, brand)


def _keys(rows: Dataset) -> dict[str, Int64s]:
    slot, brand = rows.keys["slot"], rows.keys["brand"]
    # a 63-bit key of both: multiplying by an odd number loses nothing of the slot's
    pair = (slot * np.int64(-7046029254386353131) ^ brand) & np.int64(2**63 - 1)
    return {"slot": slot, "brand": brand, "pair": pair}


def _count(keys: Int64s, rows: Dataset) -> Counts:
    distinct, index = np.unique(keys, return_inverse=True)
    stood_for = rows.counts * rows.weights
    successes = np.bincount(index, rows.outcomes * stood_for, minlength=len(distinct))
    trials = np.bincount(index, stood_for, minlength=len(distinct))
    return Counts(distinct, np.stack([successes, trials]))


def _assemble(history: History, parts: list[tuple[Flags, Prior]]) -> Posterior:
    """One posterior of rows that have different priors."""
    n = len(history.pair_trials)
    found = np.empty((4, n))
    for mine, prior in parts:
        if mine.any():
            part = pair_posterior(_some(history, mine), prior, Shrinkage())
            found[:, mine] = part.alpha, part.beta, part.slot_mean, part.brand_mean
    return Posterior(*found)


def _some(history: History, chosen: NDArray[np.bool_]) -> History:
    return History(
        history.pair_successes[chosen],
        history.pair_trials[chosen],
        history.slot_successes[chosen],
        history.slot_trials[chosen],
        history.brand_successes[chosen],
        history.brand_trials[chosen],
    )
