"""`adbid keys`: make, list and revoke API keys."""

import asyncio
import getpass
import json
from collections.abc import Awaitable, Callable
from typing import Annotated, TypeVar

import typer
from rich.console import Console
from rich.table import Table

from stores.audit import Author
from stores.key_types import SCOPES, KeyRecord
from stores.keys import KeyStore
from stores.open_keys import open_keys
from stores.settings import load_settings

Result = TypeVar("Result")
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add `adbid keys create`, `list` and `revoke`."""
    commands = typer.Typer(no_args_is_help=True)
    app.add_typer(
        commands,
        name="keys",
        help="Create, list and revoke API keys: who may score, look, operate, train.",
        rich_help_panel="Access",
    )
    commands.command("create")(create)
    commands.command("list")(list_keys)
    commands.command("revoke")(revoke)


def create(
    name: Annotated[str, typer.Argument(help="Whose key this is, as the audit log shows it.")],
    scope: Annotated[
        list[str],
        typer.Option(help=f"What it may do: {', '.join(SCOPES)}; repeat it."),
    ],
    as_json: Json = False,
) -> None:
    """Make a key and print it. This is the only time that it is shown."""
    issued = _with_keys(lambda keys: keys.create(name, scope, _author()))
    if as_json:
        fields = issued.record.model_dump(mode="json", include={"name", "prefix", "scopes"})
        typer.echo(json.dumps(fields | {"key": issued.token}))
        return
    typer.echo(issued.token)
    scopes = ", ".join(issued.record.scopes)
    typer.secho(f"{name}: {scopes}. It is not shown again.", err=True, dim=True)


def list_keys(as_json: Json = False) -> None:
    """Show all keys, without their secrets."""
    records = _with_keys(lambda keys: keys.fetch_all())
    if as_json:
        typer.echo(json.dumps([record.model_dump(mode="json") for record in records]))
        return
    table = Table("prefix", "name", "scopes", "created", "last used", "revoked", box=None)
    for record in records:
        table.add_row(record.prefix, record.name, ", ".join(record.scopes), *_times(record))
    Console().print(table)


def revoke(
    prefix: Annotated[str, typer.Argument(help="The key's readable part: adb_<prefix>_...")],
    as_json: Json = False,
) -> None:
    """End a key for good, everywhere, within seconds."""
    bare = prefix.removeprefix("adb_").split("_")[0]
    record = _with_keys(lambda keys: keys.revoke(bare, _author()))
    if as_json:
        typer.echo(record.model_dump_json())
    else:
        typer.echo(f"{record.name} ({record.prefix}) is revoked.")


def _with_keys(ask: Callable[[KeyStore], Awaitable[Result]]) -> Result:
    async def run() -> Result:
        async with open_keys(load_settings()) as keys:
            return await ask(keys)

    return asyncio.run(run())


def _author() -> Author:
    return Author(f"adbid keys ({_user()})")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return "unknown user"


def _times(record: KeyRecord) -> list[str]:
    times = (record.created_at, record.last_used_at, record.revoked_at)
    return ["" if at is None else f"{at:%Y-%m-%d %H:%M}" for at in times]
