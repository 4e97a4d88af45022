"""`adbid retrain`: submit a retraining to Ray, and watch it."""

import json
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from bidding.errors import StoreUnavailable
from stores.settings import Settings, load_settings

if TYPE_CHECKING:
    from stores.training_runs import RunBook

POLL_S = 1.0
_DONE = ("SUCCEEDED", "FAILED", "STOPPED")
# A run that Ray has given up, or forgotten, will write no more.
_LOST_AFTER = 5


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("retrain")(retrain)


def retrain(
    now: Annotated[
        bool, typer.Option("--now", help="Run at once, whether or not tonight's run was made.")
    ] = False,
    wait: Annotated[bool, typer.Option(help="Watch it until it ends.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Retrain on the history of the last days, judge, and promote what passes the gate.

    Without --now, tonight's run: refused where it was made already. Exit code 2 where the gate
    failed, 1 where the run did.
    """
    from stores import training_jobs
    from stores.training_runs import RunBook

    settings = load_settings()
    if settings.database_url is None:
        raise StoreUnavailable("no database: run `adbid up`, or set DATABASE_URL")
    night = None if now else datetime.now(UTC).date()
    submitted = training_jobs.submit(settings, night=night)
    if not as_json:
        typer.echo(f"submitted {submitted.submission_id}")
    if not wait:
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
    from stores import training_jobs

    console, said, lost = Console(), "", 0
    while True:
        row = book.read(submission_id)
        progress = str(row["progress"])
        if progress != said and not quiet:
            console.print(f"{datetime.now(UTC):%H:%M:%S} {progress}")
            said = progress
        if row["status"] in _DONE:
            if row["error"] and not quiet:
                console.print(f"[red]{row['error']}[/red]")
            return row
        ray_says = training_jobs.status_of(settings, submission_id)
        lost = lost + 1 if ray_says in (None, *_DONE) else 0
        if lost >= _LOST_AFTER:
            tail = training_jobs.log_tail(settings, submission_id, 20)
            book.write(submission_id, status="FAILED", error=f"the job ended early: {tail[-1500:]}")
        time.sleep(POLL_S)
