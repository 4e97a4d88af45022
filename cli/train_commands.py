"""`adbid train`, `evaluate`, `replay` and `priors`: learning from history, and judging it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import polars as pl
import typer
from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bidding.errors import InvalidRequest, StoreUnavailable
from cli import train_tables as tables
from stores.feature_contract import load_contract
from stores.settings import load_settings

Model = Annotated[str, typer.Option(help="NAME@ALIAS or NAME/VERSION.")]
Weight = Annotated[
    float, typer.Option(min=1.0, help="Impressions that one non-click row stands for.")
]
File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
CHAMPION_CTR = "adbid-ctr@champion"
_PANEL = "Models"
_QUIET = Console(stderr=True)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    for command in (train, evaluate, replay):
        app.command(command.__name__, rich_help_panel=_PANEL)(command)
    priors = typer.Typer(no_args_is_help=True)
    priors.command("fit")(fit_priors)
    app.add_typer(
        priors,
        name="priors",
        help="Fit the priors of click and conversion rates to the history.",
        rich_help_panel=_PANEL,
    )


def train(
    holdout: Annotated[
        float | None,
        typer.Option(min=0.0, max=0.5, help="Share of rows kept out of training, to judge on."),
    ] = None,
    fold: Annotated[
        int | None, typer.Option(min=0, help="Which part is kept out (default: the first).")
    ] = None,
    as_json: Json = False,
) -> None:
    """Fit CTR (and CVR) models to the imported history and register them in MLflow."""
    from training import jobs, registry
    from training.spec import load_spec

    spec = load_spec()
    chosen = {"holdout": holdout, "fold": fold}
    update = {name: value for name, value in chosen.items() if value is not None}
    spec = spec.model_copy(update={"split": spec.split.model_copy(update=update)})
    client = registry.connect(_tracking_uri())
    with _step("reading the history and fitting", as_json):
        done = jobs.train_all(client, _database_url(), load_contract(), spec)
    if as_json:
        typer.echo(json.dumps([each.plain() for each in done.models]))
        return
    console = _console()
    for each in done.models:
        console.print(tables.trained_table(each.trained, each.registered))
    for note in done.notes:
        console.print(note)


def evaluate(
    file: File,
    model: Model = CHAMPION_CTR,
    negative_weight: Weight = 1.0,
    as_json: Json = False,
) -> None:
    """Judge a model on a log, beside the baselines; its own training rows are left out."""
    from training import registry
    from training.dataset import dataset_of
    from training.evaluate import evaluate as judge_rows
    from training.evaluate import unseen

    contract = load_contract()
    judge = registry.fetch(registry.connect(_tracking_uri()), registry.wanted_of(model))
    refuse_conversions(model, judge.model.rate)
    with _step("reading and judging", as_json):
        rows = dataset_of(_file_rows(file, negative_weight), contract)
        new = unseen(rows, judge)
        if not len(new):
            raise InvalidRequest(f"every row of {file.name} was trained on: nothing to judge by")
        found = judge_rows(new, judge, contract, len(rows) - len(new))
    if as_json:
        typer.echo(json.dumps(found.plain()))
    else:
        tables.print_evaluation(_console(), found)


def replay(
    file: File,
    budget: Annotated[float, typer.Option(min=0.0, help="Money to spend, in the log's unit.")],
    policy: Annotated[
        str | None, typer.Option(help="constant, linear or ours (default: all three).")
    ] = None,
    model: Model = CHAMPION_CTR,
    negative_weight: Weight = 1.0,
    as_json: Json = False,
) -> None:
    """Replay a log under a budget: the logged price is paid where the bid is at least that.

    Its rows that the model was trained on are left out; the level of bids is fitted on training
    rows.
    """
    from training import registry
    from training.dataset import dataset_of
    from training.evaluate import unseen
    from training.judge import POLICIES
    from training.replay import fit_level
    from training.replay import replay as run

    if policy is not None and policy not in POLICIES:
        raise InvalidRequest(f"--policy {policy}: choose one of {', '.join(POLICIES)}")
    contract = load_contract()
    judge = registry.fetch(registry.connect(_tracking_uri()), registry.wanted_of(model))
    refuse_conversions(model, judge.model.rate)
    with _step("reading and replaying", as_json):
        rows = unseen(dataset_of(_file_rows(file, negative_weight), contract), judge)
        results = {}
        for name in (policy,) if policy else POLICIES:
            market = judge.market(rows, contract, name)
            per_impression = budget / max(float(market.known().weights.sum()), 1.0)
            level = fit_level(judge.markets[name], per_impression)
            results[name] = run(market, budget, level)
    if not len(rows):
        raise InvalidRequest(f"every row of {file.name} was trained on: nothing to replay")
    full = judge.market(rows, contract, "constant").known()
    if as_json:
        plain = {name: asdict(found) for name, found in results.items()}
        facts = {"rows": len(rows), "full_cost": full.cost, "budget": budget}
        typer.echo(json.dumps(facts | {"policies": plain}))
    else:
        _console().print(tables.replay_table(results, full, budget))


def fit_priors(as_json: Json = False) -> None:
    """Fit the priors of every vertical to the history, and serve with them."""
    from stores.priors import read_pairs, write_priors
    from training.prior_fits import fit_history

    url = _database_url()
    fits = fit_history(read_pairs(url))
    write_priors(url, fits, actor="adbid priors fit")
    if as_json:
        plain = [{"vertical": v, "rate": r} | asdict(fit) for (v, r), fit in fits.items()]
        typer.echo(json.dumps(plain))
    elif not fits:
        typer.echo("no clicks in the history yet: the prior stays 3 clicks of 100 impressions")
    else:
        _console().print(tables.priors_table(fits))


def refuse_conversions(name: str, rate: str) -> None:
    """A log of impressions tells clicks; it can't judge a model of conversions."""
    if rate != "ctr":
        raise InvalidRequest(
            f"{name} predicts conversions of clicks; an impression log judges click models only:"
            f" choose {CHAMPION_CTR}"
        )


def _file_rows(file: Path, negative_weight: float) -> Iterator[pl.DataFrame]:
    from stores.training_rows import as_catalogued, file_rows

    return as_catalogued(file_rows(file, negative_weight), _database_url())


def _console() -> Console:
    """Wide enough for the tables where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=140)


def _database_url() -> str:
    url = load_settings().database_url
    if url is None:
        raise StoreUnavailable("no database: run `adbid up`, or set DATABASE_URL")
    return url


def _tracking_uri() -> str:
    uri = load_settings().mlflow_tracking_uri
    if uri is None:
        raise StoreUnavailable("no MLflow: run `adbid up`, or set MLFLOW_TRACKING_URI")
    return uri


@contextmanager
def _step(what: str, quiet: bool) -> Iterator[None]:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=_QUIET, disable=quiet, transient=True) as bar:
        bar.add_task(what)
        yield
