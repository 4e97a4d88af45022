"""`adbid`: one command for the whole product."""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Any

import typer
from typer.core import TyperGroup

from bidding.errors import AdBidError
from cli import completion
from cli.surroundings import without_foreign

# Each module holds `register(app)`, which adds these commands. Only the module of the command
# that was called is imported: the ones that know MLflow and XGBoost take seconds.
MODULES: dict[str, tuple[str, ...]] = {
    "cli.system_commands": ("up", "down", "status", "doctor"),
    "cli.simulate_commands": ("simulate",),
    "cli.import_commands": ("import",),
    "cli.train_commands": ("train", "evaluate", "replay", "priors"),
    "cli.retrain_commands": ("retrain",),
    "cli.model_commands": ("models",),
    "cli.key_commands": ("keys",),
}


class Commands(TyperGroup):
    """The shell boundary: an error of the product becomes a sentence, not a traceback."""

    def list_commands(self, ctx: Any) -> list[str]:
        return [name for module, names in MODULES.items() if find_spec(module) for name in names]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        for module, names in MODULES.items():
            if cmd_name in names and find_spec(module):
                return commands_of(module).commands.get(cmd_name)
        return None

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AdBidError as error:
            typer.secho(f"{error.title}: {error.detail}", fg="red", err=True)
            for problem in error.problems:
                typer.echo(f"  {problem.path}: {problem.problem}", err=True)
            raise typer.Exit(1) from error


def commands_of(module: str) -> TyperGroup:
    """The commands that one module adds."""
    part = typer.Typer(callback=_nothing, pretty_exceptions_enable=False)
    import_module(module).register(part)
    return typer.main.get_group(part)


def _nothing() -> None:
    """No command: what `MODULES` names is looked up when it is called."""


def _adbid(install: completion.Install = None, show: completion.Show = None) -> None:
    """AdBid Optimizer: decides which brand's bid should win an ad slot."""


app = typer.Typer(
    name="adbid",
    cls=Commands,
    callback=_adbid,
    add_completion=False,
    epilog=(
        "Exit codes: 0 done; 1 not done, or not well; 2 wrong usage. Commands that tell something "
        "print JSON with --json. All of it: docs/cli.md"
    ),
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
completion.enable()
without_foreign(os.environ)

if __name__ == "__main__":
    app()
