"""`--show-completion SHELL` and `--install-completion SHELL`.

Typer's own two take no shell but ask which one called: they gave zsh's users who were called from
bash bash's script, and in a container, where no shell calls, an error.
"""

from enum import StrEnum
from typing import Annotated

import typer
from typer.completion import get_completion_inspect_parameters, install_callback, show_callback


class Shell(StrEnum):
    """The shells that completion is made for."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


Install = Annotated[
    Shell | None,
    typer.Option(
        "--install-completion",
        callback=install_callback,
        expose_value=False,
        help="Complete commands in this shell from its next start on.",
    ),
]
Show = Annotated[
    Shell | None,
    typer.Option(
        "--show-completion",
        callback=show_callback,
        expose_value=False,
        help="Print the script that does so.",
    ),
]


def enable() -> None:
    """Have Typer answer the scripts, as it does by itself where it adds its own options."""
    get_completion_inspect_parameters()
