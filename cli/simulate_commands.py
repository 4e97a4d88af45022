"""`adbid simulate`: drives the whole loop as an ad server would, on a hidden market."""

import asyncio
import json
import re
import time
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from bidding.errors import FieldProblem, InvalidRequest, StoreUnavailable
from cli.simulation.ad_server import AdServer, Pace, Tally
from cli.simulation.traffic import Traffic
from stores.settings import Settings, load_settings
from stores.simulated import ensure_simulated_catalogue
from training.market import Market, load_market, make_market

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smhd])")
# Replicas have read the new catalogue by then.
_CATALOGUE_S = 2.0


def register(app: typer.Typer) -> None:
    """Add `adbid simulate`."""
    app.command(rich_help_panel="Data")(simulate)


def simulate(
    rate: Annotated[float, typer.Option(min=0.01, help="Requests a second, in real time.")] = 50.0,
    duration: Annotated[str, typer.Option(help="Of simulated time: 90s, 30m, 24h, 7d.")] = "60s",
    speed: Annotated[
        float, typer.Option(min=0.01, help="Simulated seconds in one real second.")
    ] = 1.0,
    ended_ago: Annotated[
        str, typer.Option(help="How long ago the simulated time ends, where --speed is above 1.")
    ] = "0s",
    bids: Annotated[int, typer.Option(min=1, max=1000, help="Bids in a request.")] = 8,
    seed: Annotated[int, typer.Option(help="Of the visitors; the market keeps its own.")] = 1,
    market_seed: Annotated[int, typer.Option(help="Of a market that is not there yet.")] = 1,
    market: Annotated[
        Path | None, typer.Option(help="The true rates [<home>/simulation/market.json].")
    ] = None,
    key: Annotated[
        str | None, typer.Option(help="An API key, where scoring needs one.", envvar="ADBID_KEY")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Be an ad server: simulated visitors, bids, clicks and orders, all labelled simulated.

    Clicks and orders come from a hidden market whose true rates are kept in a file, so that
    what is learned can be judged. A day in two minutes:
    `adbid simulate --rate 500 --duration 24h --speed 720 --ended-ago 12h`.
    """
    settings = load_settings()
    console = Console(stderr=as_json)
    length, ago = seconds_of("duration", duration), seconds_of("ended-ago", ended_ago)
    path = market or settings.home / "simulation" / "market.json"
    hidden = open_market(path, market_seed)
    _prepare(settings, hidden)
    count = round(rate * length / speed)
    pace = Pace(_start(length, speed, ago), rate, speed)
    console.print(
        f"Simulated: {count:,} requests over {timedelta(seconds=length)} from "
        f"{pace.start:%Y-%m-%d %H:%M} UTC, in {length / speed:.0f} s. True rates: {path}",
        highlight=False,
    )
    rng = np.random.default_rng(seed)
    visits = Traffic(hidden, rng, bids).visits(
        pace.start, timedelta(seconds=length / max(count, 1)), count
    )
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    server = AdServer(f"http://{settings.host}:{settings.port}", headers, pace, rng)
    tally = asyncio.run(server.run(visits, pace.start + timedelta(seconds=length)))
    _print(tally, count, as_json, console)


def open_market(path: Path, seed: int) -> Market:
    """The market in the file, or a new one of this seed, which is then kept there."""
    if path.exists():
        return load_market(path)
    market = make_market(seed)
    market.save(path)
    return market


def seconds_of(name: str, text: str) -> float:
    """`90s`, `30m`, `24h`, `7d` in seconds. Raises `InvalidRequest`."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        problem = FieldProblem(f"--{name}", f"{text!r} is no duration; give 90s, 30m, 24h or 7d")
        raise InvalidRequest(f"--{name}: {problem.problem}", problems=(problem,))
    return float(found[1]) * _UNITS[found[2]]


def _start(length: float, speed: float, ago: float) -> datetime:
    """Such that the simulated time meets the real one (or is `ago` behind it) at the end."""
    behind = max(length - length / speed, 0.0) + ago
    return datetime.now(UTC) - timedelta(seconds=behind)


def _prepare(settings: Settings, market: Market) -> None:
    if settings.database_url is None:
        raise StoreUnavailable("no running system: start one with `adbid up`, or set DATABASE_URL")
    if ensure_simulated_catalogue(settings.database_url, market.slots, market.brands):
        time.sleep(_CATALOGUE_S)


def _print(tally: Tally, asked: int, as_json: bool, console: Console) -> None:
    found = {f.name: getattr(tally, f.name) for f in fields(tally)}
    if as_json:
        typer.echo(json.dumps({"simulated": True, "requests": asked} | found))
        return
    table = Table("simulated", "count")
    table.add_row("requests", f"{asked:,}")
    for name, value in found.items():
        kinds = value if isinstance(value, dict) else {"": value}
        for kind, count in kinds.items():
            table.add_row(f"{name.replace('_', ' ')} {kind}".strip(), f"{count:,.0f}")
    console.print(table)
