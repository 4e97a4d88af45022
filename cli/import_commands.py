"""`adbid import`: logs and reports into the running system."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
)
from rich.table import Table

from bidding.errors import InvalidRequest, StoreUnavailable
from stores.importing.import_ipinyou import IpinyouOptions, import_ipinyou
from stores.importing.import_performance import PerformanceOptions, import_performance
from stores.importing.mapping import load_mapping
from stores.importing.source import Report
from stores.settings import load_settings

File = Annotated[Path, typer.Argument(exists=True, dir_okay=False, readable=True)]
Json = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]
Rejects = Annotated[
    Path | None, typer.Option(help="Where rejected lines go (default: FILE.rejects.csv).")
]


def register(app: typer.Typer) -> None:
    """Add `adbid import ipinyou` and `adbid import performance`."""
    commands = typer.Typer(no_args_is_help=True)
    app.add_typer(
        commands,
        name="import",
        help="Import a log of impressions or a performance report; twice changes nothing.",
        rich_help_panel="Data",
    )
    commands.command("ipinyou")(ipinyou)
    commands.command("performance")(performance)


def ipinyou(
    file: File,
    negative_weight: Annotated[
        float, typer.Option(min=1.0, help="Impressions that one non-click row stands for.")
    ] = 1.0,
    week_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The week of the log (default: the last whole)."),
    ] = None,
    rejects: Rejects = None,
    as_json: Json = False,
) -> None:
    """An iPinYou-format impression log (CSV or .gz): catalogue, performance, training rows."""
    options = IpinyouOptions(
        negative_weight=negative_weight,
        week_of=week_of.date() if week_of else last_whole_week(date.today()),
        rejects=rejects_path(file, rejects),
    )
    with _progress(as_json) as progress:
        report = import_ipinyou(_database_url(), file, options, progress)
    print_report(report, as_json)


def performance(
    file: File,
    mapping: Annotated[Path, typer.Option(exists=True, help="configs/imports/NAME.yaml")],
    year: Annotated[int | None, typer.Option(help="The year of a report that gives none.")] = None,
    rejects: Rejects = None,
    as_json: Json = False,
) -> None:
    """A report of aggregated rows (CSV, .gz or Parquet) through a declared mapping."""
    options = PerformanceOptions(load_mapping(mapping, year), rejects_path(file, rejects))
    with _progress(as_json) as progress:
        report = import_performance(_database_url(), file, options, progress)
    print_report(report, as_json)


def last_whole_week(today: date) -> date:
    """The Monday of the last week that is over."""
    return today - timedelta(days=today.weekday() + 7)


def rejects_path(file: Path, wanted: Path | None) -> Path:
    """Beside the file, or below the home where that folder can't be written."""
    if wanted is not None:
        return wanted
    beside = file.with_name(f"{file.name}.rejects.csv")
    # asked, not tried: trying would end a file that an earlier import left there
    if os.access(beside if beside.exists() else beside.parent, os.W_OK):
        return beside
    return load_settings().home / "imports" / beside.name


def _database_url() -> str:
    url = load_settings().database_url
    if url is None:
        raise StoreUnavailable("no database: run `adbid up`, or set DATABASE_URL")
    return url


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[int, float], None]]:
    columns = (
        *(SpinnerColumn(), BarColumn(), TaskProgressColumn()),
        *(TextColumn("{task.description}"), TimeElapsedColumn()),
    )
    with Progress(*columns, console=Console(stderr=True), disable=quiet) as bar:
        task = bar.add_task("reading", total=1.0)
        yield lambda rows, share: bar.update(
            task,
            completed=share,
            description=f"{rows:,} rows read" if share < 1 else f"{rows:,} rows read, merging",
        )
        bar.update(task, description="done")


def print_report(report: Report, as_json: bool) -> None:
    """For a script, or as a table. Raises `InvalidRequest` where nothing was accepted."""
    if as_json:
        typer.echo(msgspec.json.encode(report))
    elif report.already:
        typer.echo(f"{report.path}: this content was imported before; nothing was changed")
    else:
        Console().print(_table(report))
    if report.rows and not report.accepted and not report.already:
        raise InvalidRequest("no row was accepted; the rejects file says why")


def _table(report: Report) -> Table:
    table = Table("what", "rows", title=f"{report.kind}: {Path(report.path).name}")
    table.add_row("read", f"{report.rows:,}")
    table.add_row("accepted", f"{report.accepted:,}")
    for kind, count in sorted(report.notes.items()):
        table.add_row(f"  {kind}", f"{count:,}")
    for kind, count in sorted(report.rejected.items()):
        table.add_row(f"rejected, {kind}", f"{count:,}")
    table.add_row("performance rows written", f"{report.performance_rows:,}")
    if report.rejects_file:
        table.add_row("rejected lines are in", report.rejects_file)
    return table
