"""Pictures of a model for its MLflow run."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from stores.model_files import ServingModel
from training.metrics import Bin

mpl.use("Agg")
_SHOWN = 25


def importance_of(model: ServingModel) -> dict[str, float]:
    """Each feature's share of the trees' total gain, the largest first; adds up to 1."""
    names = model.encoder.features
    gains: dict[str, float] = {}
    for column, gain in model.booster.get_score(importance_type="total_gain").items():
        name = names[int(column[1:])]
        gains[name] = gains.get(name, 0.0) + float(gain if isinstance(gain, float) else gain[0])
    total = sum(gains.values()) or 1.0
    shares = {name: gain / total for name, gain in gains.items()}
    return dict(sorted(shares.items(), key=lambda each: -each[1]))


def column_importance(model: ServingModel) -> dict[str, float]:
    """Each of the model's columns' share of the trees' total gain; adds up to 1."""
    names = model.encoder.names
    gains = {
        names[int(column[1:])]: float(gain if isinstance(gain, float) else gain[0])
        for column, gain in model.booster.get_score(importance_type="total_gain").items()
    }
    total = sum(gains.values()) or 1.0
    return {name: gain / total for name, gain in gains.items()}


def plot_importance(shares: dict[str, float], path: Path) -> None:
    """Bars of the features' shares of gain."""
    shown = list(shares.items())[:_SHOWN][::-1]
    figure = Figure(figsize=(8, 0.3 * len(shown) + 1.2), layout="constrained")
    axes = figure.subplots()
    axes.barh([name for name, _ in shown], [share for _, share in shown], color="#3465a4")
    axes.set_xlabel("share of total gain")
    figure.savefig(path, dpi=110)


def plot_reliability(curves: dict[str, Sequence[Bin]], path: Path) -> None:
    """Predicted against actual rates, on logarithmic axes; the diagonal is perfect."""
    figure = Figure(figsize=(6.5, 6), layout="constrained")
    axes = figure.subplots()
    ends: list[float] = []
    for name, bins in curves.items():
        shown = [each for each in bins if each.actual > 0 and each.predicted > 0]
        x, y = [each.predicted for each in shown], [each.actual for each in shown]
        axes.plot(x, y, marker="o", label=name)
        ends += [*x, *y]
    if ends:
        axes.plot([min(ends), max(ends)], [min(ends), max(ends)], color="#888", linestyle="--")
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlabel("predicted rate")
    axes.set_ylabel("actual rate")
    axes.legend()
    figure.savefig(path, dpi=110)
