"""`python -m benchmarks.learning [--plot FILE]`: what a retrained model knows of a hidden market.

After `adbid simulate` and `adbid retrain --now`: the champion and the posterior alone, on the
simulated impressions that the model was not trained on, against the market's true rates. Normalized
entropy here is the expected log loss under the true rates over the entropy of their mean: the truth
itself has the lowest, and luck plays no part.
"""

import argparse
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
from matplotlib.figure import Figure

from bidding.pricing import Floats
from stores.feature_contract import load_contract
from stores.model_registry import CTR_MODEL
from stores.outcomes import Maturity, live_rows
from stores.settings import load_settings
from training import registry
from training.dataset import dataset_of
from training.evaluate import unseen
from training.market import Columns, load_market
from training.metrics import entropy
from training.spec import load_spec


def main() -> None:
    """Print the figures as JSON, and draw them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--plot", type=Path, default=None)
    given = parser.parse_args()
    truth, predicted = _rates()
    figures = {name: expected_entropy(truth, rates) for name, rates in predicted.items()}
    floor = expected_entropy(truth, truth)
    model, posterior = figures["model"], figures["posterior"]
    found = {
        "rows": len(truth),
        "normalized_entropy": figures | {"truth": floor},
        "better_by": 1 - model / posterior,
        "of_what_can_be_learned": (posterior - model) / (posterior - floor),
    }
    print(json.dumps(found, indent=1))
    if given.plot is not None:
        _plot(truth, predicted, given.plot)


def expected_entropy(truth: Floats, predicted: Floats) -> float:
    """Expected log loss of `predicted` under `truth`, float64[n] each, over the base entropy."""
    loss = -(truth * np.log(predicted) + (1 - truth) * np.log1p(-predicted))
    return float(loss.mean()) / entropy(float(truth.mean()))


def _rates() -> tuple[Floats, Mapping[str, Floats]]:
    """True rates of the impressions that the champion has not seen, and what is believed."""
    settings, contract, spec = load_settings(), load_contract(), load_spec()
    if settings.database_url is None or settings.mlflow_tracking_uri is None:
        raise SystemExit("the system does not run: `adbid up` starts it")
    maturity = Maturity(click=timedelta(seconds=spec.nightly.clicks_mature_s))
    tables = list(
        live_rows(settings.database_url, datetime.now(UTC), maturity=maturity, simulated=True)
    )
    rows, table = dataset_of(tables, contract), pl.concat(tables)
    client = registry.connect(settings.mlflow_tracking_uri)
    judge = registry.fetch(client, registry.Wanted(CTR_MODEL))
    new = ~np.isin(rows.row_keys, judge.trained)
    market = load_market(settings.home / "simulation" / "market.json")
    truth, _ = market.rates(_columns(table.filter(pl.Series(new))))
    held = unseen(rows, judge)
    return truth, {
        "model": judge.predict(held, contract),
        "posterior": judge.history.rates(held).pair,
    }


def _columns(table: pl.DataFrame) -> Columns:
    names = ("slot", "brand", "device_type", "creative_type", "creative", "segments")
    return Columns(**{n: table[n].to_list() for n in names}, hour=table["hour_of_day"].to_list())


def _plot(truth: Floats, predicted: Mapping[str, Floats], path: Path) -> None:
    """Believed against true rates, with each one's figure."""
    figure = Figure(figsize=(9, 4.5), layout="constrained")
    for axes, (name, rates) in zip(
        figure.subplots(1, 2, sharey=True), predicted.items(), strict=True
    ):
        axes.hexbin(truth, rates, xscale="log", yscale="log", gridsize=45, mincnt=1, cmap="viridis")
        ends = [float(truth.min()), float(truth.max())]
        axes.plot(ends, ends, color="#c33", linewidth=1)
        ne = expected_entropy(truth, rates)
        axes.set_title(f"{name}: normalized entropy {ne:.3f}")
        axes.set_xlabel("true click rate")
        axes.set_ylabel("believed click rate")
    figure.suptitle("against the true rates of a simulated market, impressions not trained on")
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
