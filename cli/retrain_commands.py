"""`adbid retrain`: submit a retraining to Ray, and watch it."""

import contextlib
import json
import time
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bidding.errors import StoreUnavailable
from stores.settings import Settings, load_settings

if TYPE_CHECKING:
    from stores.training_runs import RunBook

POLL_S = 1.0
_DONE = ("SUCCEEDED", "FAILED", "STOPPED")
# So often Ray is asked whether the job lives; it may be away for a while.
_ASK_RAY_EVERY = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrain", rich_help_panel="Models")(retrain)


def retrain(
    now: Annotated[
        bool, typer.Option("--now", help="Run at once, whether or not tonight's run was made.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Watch it until it ends.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Retrain on the history of the last days, judge, and promote what passes the gate.

    Without --now, tonight's run: refused where it was made already, made again where it failed.
    Exit code 1 where the run failed, 2 where the gate refused what was trained.
    """
    from stores import training_jobs
    from stores.training_runs import RunBook
    from training.spec import load_spec

    settings = load_settings()
    if settings.database_url is None:
        raise StoreUnavailable("no database: run `adbid up`, or set DATABASE_URL")
    night = None if now else datetime.now(UTC).date()
    attempts = load_spec().nightly.attempts
    submitted = training_jobs.submit(settings, night=night, attempts=attempts)
    if not as_json:
        typer.echo(f"submitted {submitted.submission_id}")
    if not wait:
        if as_json:
            typer.echo(json.dumps({"submission_id": submitted.submission_id}))
        return
    outcome = _watch(RunBook(settings.database_url), settings, submitted.submission_id, as_json)
    if as_json:
        typer.echo(json.dumps(outcome, default=str))
    if outcome["status"] != "SUCCEEDED":
        raise typer.Exit(1)
    if outcome["verdict"] != "passed":
        raise typer.Exit(2)


def _watch(
    book: "RunBook", settings: Settings, submission_id: str, quiet: bool
) -> dict[str, object]:
    """Print each step as it comes; the run's row at its end."""
    console, said = Console(), ""
    for turn in count(1):
        row = book.read(submission_id)
        progress = str(row["progress"])
        if progress != said and not quiet:
            console.print(f"{datetime.now(UTC):%H:%M:%S} {progress}")
            said = progress
        if row["status"] in _DONE:
            if row["error"] and not quiet:
                console.print(f"[red]{row['error']}[/red]")
            return row
        if turn % _ASK_RAY_EVERY == 0:
            _ask_ray(book, settings)
        time.sleep(POLL_S)
    raise AssertionError("unreachable")


def _ask_ray(book: "RunBook", settings: Settings) -> None:
    """A job that was killed says nothing; Ray does, unless it is away just now."""
    from stores import training_jobs

    with contextlib.suppress(StoreUnavailable):
        training_jobs.reconcile(book, training_jobs.client_of(settings))
