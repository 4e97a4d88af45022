"""Tables that the training commands print."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bidding.priors import PriorFit
from stores.feature_types import Rate
from training.evaluate import Evaluation
from training.metrics import Figure, Quality
from training.pipeline import Trained
from training.registry import Registered
from training.replay import Market, Replayed

_COLUMNS = ("AUC", "log loss", "NE", "predicted/actual")


def print_evaluation(console: Console, found: Evaluation) -> None:
    """The model and the baselines on the same rows, then the model by partner, device, brand."""
    title = (
        f"{found.name} version {found.version}: {found.model.rows:,} rows, "
        f"{found.model.outcomes:,} clicks ({found.left_out:,} training rows left out)"
    )
    console.print(_qualities(title, {"model": found.model, **found.baselines}, "rates of"))
    for group, each in found.groups.items():
        console.print(_qualities(f"the model by {group}", each, group, counts=True))


def trained_table(trained: Trained, registered: Registered) -> Table:
    """What was trained, and how good it is."""
    title = f"{registered.name} version {registered.version}" + (
        " (champion)" if registered.champion else ""
    )
    rows = {"out of fold": trained.cross_validated}
    if trained.held_out is not None:
        rows["held out"] = trained.held_out.model
        rows |= dict(trained.held_out.baselines)
    return _qualities(title, rows, "on", counts=True)


def replay_table(results: Mapping[str, Replayed], full: Market, budget: float) -> Table:
    """One line a policy."""
    title = f"budget {budget:,.2f}; winning everything costs {full.cost:,.2f}"
    table = Table(title=title)
    table.add_column("policy")
    for name in ("impressions", "clicks", "of all", "spend", "of all", "eCPC"):
        table.add_column(name, justify="right")
    for name, found in results.items():
        table.add_row(
            name,
            f"{found.impressions:,.0f}",
            f"{found.clicks:,.0f}",
            f"{found.click_share:.1%}",
            f"{found.spend:,.2f}",
            f"{found.cost_share:.1%}",
            "-" if found.ecpc is None else f"{found.ecpc:,.2f}",
        )
    return table


def priors_table(fits: Mapping[tuple[str, Rate], PriorFit]) -> Table:
    """One line a vertical and rate."""
    table = Table("vertical", "rate", "prior", "mean", "95% interval", "pairs")
    for (vertical, rate), fit in fits.items():
        table.add_row(
            vertical or "(all)",
            rate,
            f"{fit.prior.successes:.3g} of {fit.prior.trials:,.1f}",
            f"{fit.mean:.3g}",
            f"{fit.low:.3g} - {fit.high:.3g}",
            f"{fit.pairs:,}",
        )
    return table


def _qualities(
    title: str, qualities: Mapping[str, Quality], first: str, *, counts: bool = False
) -> Table:
    table = Table(title=title)
    table.add_column(first)
    if counts:
        table.add_column("rows", justify="right")
        table.add_column("clicks", justify="right")
    for name in _COLUMNS:
        table.add_column(name, justify="right")
    for name, found in qualities.items():
        numbers = (f"{found.rows:,}", f"{found.outcomes:,}") if counts else ()
        table.add_row(
            name,
            *numbers,
            _text(found.auc, 4),
            _text(found.log_loss, 5),
            _text(found.normalized_entropy, 4),
            _text(found.ratio, 3),
        )
    return table


def _text(figure: Figure, digits: int) -> str:
    if figure.value != figure.value:
        return "-"
    # the backslash keeps rich from taking the interval for markup
    return f"{figure.value:.{digits}f} \\[{figure.low:.{digits}f}, {figure.high:.{digits}f}]"
