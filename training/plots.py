"""Pictures of a model for its MLflow run."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib.figure import Figure

from training.metrics import Bin

mpl.use("Agg")
_SHOWN = 25


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
