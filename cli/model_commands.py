"""`adbid models`: versions, moving the champion, its history, champion against challenger.

Through MLflow and PostgreSQL, so that it works with the service down; replicas follow by
themselves. Only how far challengers disagree is asked of the service.
"""

import asyncio
import getpass
import json
import math
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from bidding.errors import AdBidError, Conflict
from bidding.watch import LiveSums, ratio_interval
from cli.live_models import fetch_disagreement, find_key, service_url
from stores.audit import Author
from stores.live_quality import LiveQuality, Span
from stores.model_changes import ModelChange
from stores.model_registry import CHALLENGER, CHAMPION, CTR_MODEL, ModelVersion
from stores.promotion import GATE, MODELS, Promotions, gate_reasons, open_promotions
from stores.promotion_settings import load_promotion_settings
from stores.settings import load_settings

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Name = Annotated[str, typer.Argument(help=f"{' or '.join(MODELS)}.")]
OneName = Annotated[str | None, typer.Argument(help=f"{' or '.join(MODELS)}; both without it.")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")]
_CONFIDENCE = 0.95


def register(app: typer.Typer) -> None:
    """Add `adbid models list`, `promote`, `rollback`, `history` and `compare`."""
    commands = typer.Typer(no_args_is_help=True)
    app.add_typer(
        commands,
        name="models",
        help="List, compare, promote and roll back registered models.",
        rich_help_panel="Models",
    )
    commands.command("list")(list_models)
    commands.command("promote")(promote)
    commands.command("rollback")(roll_back)
    commands.command("history")(history)
    commands.command("compare")(compare)


def list_models(name: OneName = None, as_json: Json = False) -> None:
    """Show versions, newest first, with their aliases and what the gate said."""

    async def ask(promotions: Promotions) -> dict[str, list[ModelVersion]]:
        return {each: await promotions.versions(each) for each in _names(name)}

    found = _with_promotions(ask)
    if as_json:
        _print_json({each: [_plain(v) for v in versions] for each, versions in found.items()})
        return
    table = Table("model", "version", "aliases", "created", "gate", "serving", box=None)
    for each, versions in found.items():
        for version in versions:
            at = datetime.fromtimestamp(version.created_at_ms / 1000, UTC)
            tags = version.tags
            gate = "; ".join([tags.get(GATE, ""), *gate_reasons(version)])
            row = (", ".join(version.aliases), f"{at:%Y-%m-%d %H:%M}", gate, tags.get("serving"))
            table.add_row(each, version.version, *row)
    _console().print(table)


def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version's number.")],
    reason: Why,
    alias: Annotated[str, typer.Option(help=f"{CHAMPION} or {CHALLENGER}.")] = CHAMPION,
    force: Annotated[bool, typer.Option(help="Even if the gate failed it.")] = False,
    as_json: Json = False,
) -> None:
    """Make a version the champion (or the challenger). Replicas serve it within seconds."""
    if alias not in (CHAMPION, CHALLENGER):
        raise typer.BadParameter(f"{CHAMPION} or {CHALLENGER}", param_hint="--alias")
    author = _author(reason)
    change = _with_promotions(
        lambda promotions: promotions.promote(name, version, author, alias=alias, force=force)
    )
    _print_change(change, as_json)


def roll_back(name: Name, reason: Why, as_json: Json = False) -> None:
    """Go back to the champion before."""
    author = _author(reason)
    change = _with_promotions(lambda promotions: promotions.roll_back(name, author))
    _print_change(change, as_json)


def history(
    name: OneName = None,
    limit: Annotated[int, typer.Option(min=1, max=1000)] = 50,
    as_json: Json = False,
) -> None:
    """Show which version an alias pointed at, when, by whom and why; newest first."""

    async def ask(promotions: Promotions) -> list[ModelChange]:
        changes = [
            change
            for each in _names(name)
            for change in await promotions.changes.fetch(each, limit=limit)
        ]
        return sorted(changes, key=lambda change: change.at, reverse=True)[:limit]

    found = _with_promotions(ask)
    if as_json:
        _print_json([_plain_change(change) for change in found])
        return
    table = Table("at", "model", "alias", "from", "to", "kind", "by", "reason", box=None)
    for change in found:
        move, author = change.move, change.author
        versions = (move.from_version or "-", move.to_version or "-")
        rest = (move.kind, author.actor, author.reason or "")
        table.add_row(f"{change.at:%Y-%m-%d %H:%M:%S}", move.name, move.alias, *versions, *rest)
    _console().print(table)


def compare(
    name: Name = CTR_MODEL,
    days: Annotated[int | None, typer.Option(min=1, help="How far to look back.")] = None,
    url: Annotated[
        str | None, typer.Option(help="The service [this installation's].", envvar="ADBID_URL")
    ] = None,
    key: Annotated[
        str | None,
        typer.Option(help="A key with scope view [the admin key].", envvar="ADBID_KEY"),
    ] = None,
    as_json: Json = False,
) -> None:
    """Champion against challenger: calibration on the same served impressions, disagreement."""

    async def ask() -> dict[str, Any]:
        async with open_promotions(load_settings()) as (promotions, quality):
            return await _compare(promotions, quality, name, days)

    found = asyncio.run(ask())
    found |= _disagreement(found, url, key)
    if as_json:
        _print_json(found)
        return
    table = Table("", "version", "impressions", "predicted", "actual", "predicted / actual")
    for side in (CHAMPION, CHALLENGER):
        row = found[side]
        ratio = "-" if row["ratio"] is None else f"{row['ratio']:.3f}"
        interval = "" if row["ratio"] is None else f" ({row['low']:.3f} to {_shown(row['high'])})"
        table.add_row(
            side,
            row["version"],
            str(row["rows"]),
            f"{row['predicted']:.1f}",
            str(row["actual"]),
            ratio + interval,
        )
    _console().print(table)
    typer.echo(f"{found['bundles']} bundles were scored by both in the last {found['days']} days")
    typer.echo(_said(found))


def _disagreement(found: dict[str, Any], url: str | None, key: str | None) -> dict[str, Any]:
    """How far both differ on live bundles, or why that can't be told: the rest is known without."""
    settings = load_settings()
    versions = found[CHAMPION]["version"], found[CHALLENGER]["version"]
    try:
        told = fetch_disagreement(
            url or service_url(settings), find_key(key, settings), found["name"], *versions
        )
    except AdBidError as error:
        return {"disagreement": None, "disagreement_unknown": error.detail}
    return {"disagreement": told, "disagreement_unknown": None}


def _said(found: dict[str, Any]) -> str:
    told = found["disagreement"]
    if found["disagreement_unknown"] is not None:
        return f"disagreement is not known: {found['disagreement_unknown']}"
    if told is None:
        return "no replica that runs now has scored a bundle by both"
    mean, largest = (math.expm1(told[f"{which}_log_ratio"]) for which in ("mean", "largest"))
    return (
        f"disagreement on {told['bids']} bids in {told['bundles']} bundles of the replicas that "
        f"run now: rates differ by {mean:.1%} on average (geometric) and {largest:.1%} at most; "
        f"another bid has the highest rate in {told['top_changed']} bundles"
    )


async def _compare(
    promotions: Promotions, quality: LiveQuality, name: str, days: int | None
) -> dict[str, Any]:
    await promotions.versions(name)
    aliases = await promotions.registry.aliases(name)
    champion, challenger = aliases.get(CHAMPION), aliases.get(CHALLENGER)
    if champion is None or challenger is None:
        raise Conflict(
            f"{name} has no {CHAMPION if champion is None else CHALLENGER}: "
            f"`adbid models promote {name} VERSION --alias {CHALLENGER} --reason ...` makes one"
        )
    rules = load_promotion_settings()
    days = days or rules.compare_days
    now = datetime.now(UTC)
    span = Span(now - timedelta(days=days), now)
    both = await quality.side_by_side(name, champion, challenger, span)
    return {
        "name": name,
        "days": days,
        "bundles": both.bundles,
        CHAMPION: _side(champion, both.champion),
        CHALLENGER: _side(challenger, both.challenger),
    }


def _side(version: str, sums: LiveSums) -> dict[str, Any]:
    low, high = ratio_interval(sums, _CONFIDENCE)
    known = {"ratio": sums.ratio, "low": low, "high": high if sums.actual else None}
    return {"version": version} | asdict(sums) | known


def _shown(high: float | None) -> str:
    return "any" if high is None else f"{high:.3f}"


def _with_promotions(ask: Callable[[Promotions], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_promotions(load_settings()) as (promotions, _):
            return await ask(promotions)

    return asyncio.run(run())


def _names(name: str | None) -> tuple[str, ...]:
    return MODELS if name is None else (name,)


def _author(reason: str) -> Author:
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        user = "unknown user"
    return Author(f"adbid models ({user})", reason)


def _plain(version: ModelVersion) -> dict[str, Any]:
    at = datetime.fromtimestamp(version.created_at_ms / 1000, UTC)
    return {
        "version": version.version,
        "created_at": at.isoformat(),
        "aliases": list(version.aliases),
        "gate": version.tags.get(GATE, "none"),
        "gate_reasons": gate_reasons(version),
        "tags": version.tags,
    }


def _plain_change(change: ModelChange) -> dict[str, Any]:
    return {"at": change.at.isoformat()} | asdict(change.move) | asdict(change.author)


def _print_change(change: ModelChange, as_json: bool) -> None:
    if as_json:
        _print_json(_plain_change(change))
        return
    move = change.move
    typer.echo(f"{move.name}: {move.alias} is {move.to_version} (was {move.from_version or '-'})")


def _print_json(found: object) -> None:
    typer.echo(json.dumps(found))


def _console() -> Console:
    """Wide enough for the tables where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
