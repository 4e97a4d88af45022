"""The command's outside: its list of commands, its help, its exit codes."""

from importlib.util import find_spec

import pytest
from typer.testing import CliRunner

from cli.main import MODULES, app, commands_of

run = CliRunner()


@pytest.mark.parametrize("module", [name for name in MODULES if find_spec(name)])
def test_every_command_of_a_module_is_listed(module: str) -> None:
    assert set(commands_of(module).commands) == set(MODULES[module])


def test_help_lists_the_commands_with_a_line_each() -> None:
    shown = run.invoke(app, ["--help"])
    assert shown.exit_code == 0
    for name in ("up", "down", "status", "doctor", "import", "train", "keys"):
        assert f" {name} " in shown.stdout


def test_an_unknown_command_is_a_usage_error() -> None:
    refused = run.invoke(app, ["dwon"])
    assert refused.exit_code == 2
    assert "No such command 'dwon'" in refused.output
