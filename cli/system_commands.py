"""`adbid up`, `down`, `status` and `doctor`."""

import json
from dataclasses import asdict
from functools import partial
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.embedded import health, lifecycle
from cli.embedded.errors import OtherSystem
from cli.embedded.home import Home
from cli.embedded.progress import show_urls
from cli.embedded.state import SystemState, read_state
from stores.settings import Settings, load_settings

_MIB = 2**20
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def register(app: typer.Typer) -> None:
    """Add the commands that run the system."""
    for command, name in ((up, "up"), (down, "down"), (status, "status"), (diagnose, "doctor")):
        app.command(name, rich_help_panel="The system")(command)


def up(
    detach: Annotated[
        bool, typer.Option("--detach", "-d", help="Return once the system is up.")
    ] = False,
    port: Annotated[
        int | None,
        typer.Option(min=1024, max=65_000, help="HTTP port; the others follow from it [8000]."),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Where the HTTP port listens [ADBID_HOST, 127.0.0.1].")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; only with --detach.")
    ] = False,
) -> None:
    """Start everything: PostgreSQL, Redis, MLflow, Ray and the service itself.

    Runs until Ctrl-C, or in the background with --detach. Calling it twice starts nothing twice.
    """
    if as_json and not detach:
        raise typer.BadParameter("needs --detach", param_hint="--json")
    console = Console(stderr=as_json)
    settings = load_settings(running_system=False, overrides={"port": port, "host": host})
    home = Home(settings.home)
    state = lifecycle.running(home)
    if state and state.phase not in ("starting", "up"):
        console.print("Waiting for the last system to stop.")
        lifecycle.wait_until_gone(home)
        state = None
    if state:
        state = _join(home, state, settings, console)
    elif detach:
        state = lifecycle.run_detached(settings, console)
        _announce(state, console, ends="`adbid down`")
    else:
        lifecycle.run_here(settings, console, partial(_announce, console=console, ends="Ctrl-C"))
    if as_json and state:
        typer.echo(json.dumps(_place(state) | {"admin_key_file": str(home.secrets / "admin-key")}))


def _join(home: Home, state: SystemState, settings: Settings, console: Console) -> SystemState:
    """The system runs already: nothing to start, unless it is asked for elsewhere."""
    if (state.base_port, state.host) != (settings.port, settings.host):
        raise OtherSystem(
            f"this system runs on {state.host}:{state.base_port}; `adbid down` first to move it "
            f"to {settings.host}:{settings.port}, or give the second one an ADBID_HOME of its own."
        )
    if state.phase == "starting":
        state = lifecycle.wait_until_up(home, console)
    console.print(f"Already running (pid {state.supervisor.pid}).", highlight=False)
    show_urls(state, console)
    return state


def _announce(state: SystemState, console: Console, ends: str) -> None:
    from cli.admin_key import ensure_admin_key  # knows the stores: slow to import for `status`

    console.print(f"Up after {state.up_after_s} s.", style="bold green", highlight=False)
    admin_key = ensure_admin_key(load_settings())
    show_urls(state, console)
    console.print(f"The admin key: {admin_key}", highlight=False, soft_wrap=True)
    console.print(f"{ends} stops it; `adbid status` shows how it is.", highlight=False)


def down(as_json: Json = False) -> None:
    """Stop everything that `adbid up` started. Data stays."""
    console = Console(stderr=as_json)
    with console.status("stopping"):
        stopped = lifecycle.stop(Home(load_settings(running_system=False).home))
    if as_json:
        typer.echo(json.dumps({"stopped": stopped}))
    else:
        console.print("Stopped." if stopped else "Nothing was running.")


def status(as_json: Json = False) -> None:
    """Show every part: its pid, port, memory and health.

    Memory is PSS: pages that processes share are counted once. Exit code 1 when not up.
    """
    home = Home(load_settings(running_system=False).home)
    state = read_state(home)
    if state is None:
        typer.echo('{"phase": "stopped"}' if as_json else "Nothing has run here yet: `adbid up`.")
        raise typer.Exit(1)
    phase = state.phase if state.supervised() or state.phase in ("stopped", "failed") else "crashed"
    rows = health.health_of(home, state)
    healthy = phase == "up" and health.answers(state)
    if as_json:
        typer.echo(_as_json(state, phase, healthy, rows))
    else:
        _show(state, phase, healthy, rows)
    raise typer.Exit(0 if healthy else 1)


def _as_json(state: SystemState, phase: str, healthy: bool, rows: list[health.PartHealth]) -> str:
    body = _place(state) | {
        "phase": phase,
        "healthy": healthy,
        "memory_bytes": sum(row.memory for row in rows),
        "parts": [asdict(row) for row in rows],
    }
    return json.dumps(body, indent=2)


def _place(state: SystemState) -> dict[str, Any]:
    """Where the system is to be found."""
    return {
        "phase": state.phase,
        "port": state.base_port,
        "host": state.host,
        "up_after_s": state.up_after_s,
        "urls": state.urls,
    }


def _show(state: SystemState, phase: str, healthy: bool, rows: list[health.PartHealth]) -> None:
    console = Console()
    table = Table(box=None, pad_edge=False)
    for heading, justify in (("part", "left"), ("state", "left"), ("pid", "right")):
        table.add_column(heading, justify="right" if justify == "right" else "left")
    for heading in ("port", "processes", "memory MiB", "restarts"):
        table.add_column(heading, justify="right")
    table.add_column("detail", overflow="fold")
    for row in rows:
        table.add_row(
            row.name,
            Text(row.phase, style="green" if row.phase in ("running", "done") else "yellow"),
            str(row.pid or ""),
            str(row.port or ""),
            str(row.processes or ""),
            f"{row.memory / _MIB:.0f}" if row.memory else "",
            str(row.restarts or ""),
            row.detail,
        )
    total = sum(row.memory for row in rows) / _MIB
    table.add_row("total", "", "", "", "", f"{total:.0f}", "", "")
    console.print(f"{phase}, {'healthy' if healthy else 'not healthy'}", style="bold")
    console.print(table)
    if phase == "up":
        show_urls(state, console)
    if state.error:
        console.print(state.error, style="red", highlight=False, markup=False)


def diagnose(as_json: Json = False) -> None:
    """Check this machine and the running system, and name the cures.

    Exit code 1 where something needs mending.
    """
    from cli.embedded import doctor  # knows Alembic and SQLAlchemy, which take a second to import

    console = Console(stderr=as_json)
    findings = doctor.examine(load_settings(running_system=False), load_settings())
    problems = sum(not finding.ok for finding in findings)
    if as_json:
        found = [asdict(finding) for finding in findings]
        typer.echo(json.dumps({"problems": problems, "findings": found}, indent=2))
        raise typer.Exit(1 if problems else 0)
    for finding in findings:
        mark, style = ("ok", "green") if finding.ok else ("!!", "red")
        console.print(Text(f"{mark} ", style=style) + Text(f"{finding.what}: {finding.says}"))
    console.print(f"{problems} problem{'s' * (problems != 1)}", style="bold", highlight=False)
    raise typer.Exit(1 if problems else 0)
