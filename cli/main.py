"""`adbid`: one command for the whole product."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup

from bidding.errors import AdBidError

# Each module holds `register(app)`, which adds its commands.
_MODULES = (
    "cli.system_commands",
    "cli.import_commands",
    "cli.train_commands",
    "cli.key_commands",
)


class Commands(TyperGroup):
    """The shell boundary: an error of the product becomes a sentence, not a traceback."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AdBidError as error:
            typer.secho(f"{error.title}: {error.detail}", fg="red", err=True)
            for problem in error.problems:
                typer.echo(f"  {problem.path}: {problem.problem}", err=True)
            raise typer.Exit(1) from error


def build() -> typer.Typer:
    """The command with every module that is there."""
    commands = typer.Typer(
        name="adbid",
        cls=Commands,
        help="AdBid Optimizer: decides which brand's bid should win an ad slot.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    for name in _MODULES:
        if find_spec(name):
            import_module(name).register(commands)
    return commands


app = build()

if __name__ == "__main__":
    app()
