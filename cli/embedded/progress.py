"""What a person sees while the system starts, and once it runs."""

import time
from collections.abc import Callable

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from cli.embedded.state import PartState, SystemState

_STYLES = {
    "running": "green",
    "done": "green",
    "external": "cyan",
    "starting": "yellow",
    "restarting": "yellow",
    "failed": "red",
    "waiting": "dim",
    "stopped": "dim",
}


def follow(
    read: Callable[[], SystemState | None], done: Callable[[], bool], console: Console
) -> None:
    """Show the parts as they start, until `done`. Lines where the output is not a terminal."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            while not done():
                live.update(_screen(read()))
                time.sleep(0.1)
        return
    told: dict[str, str] = {}
    while not done():
        _tell(read(), told, console)
        time.sleep(0.1)
    _tell(read(), told, console)


def _tell(state: SystemState | None, told: dict[str, str], console: Console) -> None:
    for name, part in (state.parts if state else {}).items():
        if told.get(name) != part.phase and part.phase not in ("waiting", "stopped"):
            told[name] = part.phase
            console.print(_line(name, part), no_wrap=True, overflow="ellipsis")


def _screen(state: SystemState | None) -> Group:
    table = Table.grid(padding=(0, 2))
    for name, part in (state.parts if state else {}).items():
        table.add_row(Text(name), Text(part.phase, style=_STYLES[part.phase]), _detail(part))
    return Group(Spinner("dots", text="starting AdBid Optimizer"), table)


def _line(name: str, part: PartState) -> Text:
    text = Text(f"{name:<13}")
    text.append(f"{part.phase:<12}", style=_STYLES[part.phase])
    if part.phase not in ("starting", "stopped"):
        text.append(_detail(part))
    return text


def _detail(part: PartState) -> str:
    if part.phase in ("running", "done") and part.took_s is not None:
        return f"{part.took_s:.1f} s"
    return f"given by {part.detail}" if part.phase == "external" else part.detail


def show_urls(state: SystemState, console: Console) -> None:
    """The addresses of a running system."""
    table = Table.grid(padding=(0, 2))
    for name, url in state.urls.items():
        table.add_row(Text(name, style="bold"), Text(url, style="cyan"))
    console.print(table)
