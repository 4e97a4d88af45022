"""What is kept beside a model to judge it later: its history, its rows' keys, its rivals."""

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bidding.contract import FeatureContract
from bidding.errors import ModelRefused
from bidding.pricing import Floats
from stores import model_files
from stores.model_files import ServingModel
from training import baselines
from training.dataset import Dataset, Int64s
from training.history import RateHistory, load_history
from training.replay import Market

HISTORY, TRAINED, MARKETS, PLAIN = "history.npz", "trained.npz", "markets.npz", "plain"
POLICIES = ("constant", "linear", "ours")
_MOST_MARKET_ROWS = 300_000


@dataclass(frozen=True, slots=True, eq=False)
class Judge:
    """A model with what judges it.

    `trained` int64[n] are the keys of its training rows; `markets` are training rows with
    out-of-fold scores for each policy of a replay, from which the level of bids is fitted.
    """

    model: ServingModel
    history: RateHistory
    plain: ServingModel
    trained: Int64s
    markets: dict[str, Market]

    def predict(self, rows: Dataset, contract: FeatureContract) -> Floats:
        """The model's rates on top of its own training history, float64[n]."""
        return baselines.predict(self.model, rows, contract, self.history.rates(rows))

    def scores(self, rows: Dataset, contract: FeatureContract, policy: str) -> Floats:
        """What a policy's bids are proportional to: 1, the history's rate, or the model's."""
        if policy == "constant":
            return np.ones(len(rows))
        if policy == "linear":
            return self.history.rates(rows).pair
        return self.predict(rows, contract)

    def market(self, rows: Dataset, contract: FeatureContract, policy: str) -> Market:
        """The rows as a replay sees them."""
        scores = self.scores(rows, contract, policy)
        return Market(scores, rows.prices, rows.weights * rows.counts, rows.outcomes)

    def save(self, directory: Path, rows: Dataset, contract: FeatureContract) -> None:
        """Write everything but the model itself; `rows` are the training rows."""
        directory.mkdir(parents=True, exist_ok=True)
        self.history.save(directory / HISTORY)
        np.savez_compressed(directory / TRAINED, allow_pickle=False, row_keys=np.sort(self.trained))
        baselines.save_plain(directory / PLAIN, self.plain, rows, contract)
        first = self.markets[POLICIES[0]]
        arrays: dict[str, Any] = {policy: market.scores for policy, market in self.markets.items()}
        arrays |= {"prices": first.prices, "weights": first.weights, "clicks": first.clicks}
        np.savez_compressed(directory / MARKETS, allow_pickle=False, **arrays)


def load_judge(model: ServingModel, directory: Path) -> Judge:
    """What `Judge.save` wrote, for its model. Raises `ModelRefused` where it can't be read."""
    plain = model_files.load(directory / PLAIN, name="plain-xgboost", version="baseline")
    try:
        with np.load(directory / MARKETS, allow_pickle=False) as found:
            prices, weights, clicks = found["prices"], found["weights"], found["clicks"]
            markets = {p: Market(found[p], prices, weights, clicks) for p in POLICIES}
        with np.load(directory / TRAINED, allow_pickle=False) as found:
            trained = found["row_keys"]
        history = load_history(directory / HISTORY)
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        reason = f"what judges it can't be read: {type(error).__name__}: {error}"
        raise ModelRefused(reason) from error
    return Judge(model=model, history=history, plain=plain, trained=trained, markets=markets)


def markets_of(rows: Dataset, posterior: Floats, predicted: Floats) -> dict[str, Market]:
    """The policies' markets of training rows, from out-of-fold rates float64[n]; a sample of a
    large log."""
    chosen = np.arange(len(rows))
    if len(rows) > _MOST_MARKET_ROWS:
        rng = np.random.default_rng(1)
        chosen = np.sort(rng.choice(len(rows), _MOST_MARKET_ROWS, replace=False))
    scores = {"constant": np.ones(len(rows)), "linear": posterior, "ours": predicted}
    weights = rows.weights * rows.counts
    return {
        policy: Market(found[chosen], rows.prices[chosen], weights[chosen], rows.outcomes[chosen])
        for policy, found in scores.items()
    }
