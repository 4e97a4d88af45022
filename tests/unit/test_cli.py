"""The command's outside: its list of commands, its help, its exit codes."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import click
import pytest
import typer
from typer.testing import CliRunner

from cli.import_commands import print_report
from cli.main import MODULES, app, commands_of
from stores.importing.source import Report
from stores.settings import PROJECT_ROOT

Command = tuple[tuple[str, ...], click.Command]
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


def test_the_help_says_what_exit_codes_mean_and_groups_the_commands() -> None:
    shown = run.invoke(app, ["--help"]).stdout
    for words in ("Exit codes: 0 done;", "The system", "Data", "Models", "Access", "docs/cli.md"):
        assert words in shown


def every_command(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[Command]:
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        if isinstance(found, click.Group) or hasattr(found, "get_command"):
            yield from every_command(cast(click.Group, found), (*path, name))
        else:
            yield (*path, name), found


COMMANDS = list(every_command(cast(click.Group, typer.main.get_command(app))))


@pytest.mark.parametrize(("path", "command"), COMMANDS, ids=[" ".join(p) for p, _ in COMMANDS])
def test_every_command_says_what_it_does_and_prints_json(
    path: tuple[str, ...], command: click.Command
) -> None:
    first = (command.help or "").split("\n\n")[0]
    assert first.endswith("."), path
    assert "--json" in [option for each in command.params for option in each.opts], path
    for parameter in command.params:
        if isinstance(parameter, click.Option):
            assert parameter.help, f"{path}: {parameter.name}"


@pytest.mark.parametrize("path", [" ".join(path) for path, _ in COMMANDS])
def test_the_page_of_the_command_tells_of_each_json(path: str) -> None:
    page = (PROJECT_ROOT / "docs/cli.md").read_text()
    names = {"models promote": "`promote` and `rollback`", "models rollback": "`rollback`"}
    names |= {"import performance": "adbid import", "models compare": "adbid models"}
    names |= {"keys revoke": "adbid keys"}
    assert names.get(path, f"adbid {path}") in page


def nothing_runs(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """The command as a script runs it, where nothing has run yet."""
    stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    given = {name: value for name, value in os.environ.items() if name not in stores}
    return subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=given | {"ADBID_HOME": str(home), "ADBID_PORT": "17600"},
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "code", "printed"),
    [
        ("status --json", 1, {"phase": "stopped"}),
        ("down --json", 0, {"stopped": False}),
        ("up --json", 2, None),
        ("models promote", 2, None),
        ("keys list", 1, None),
        ("retrain --now", 1, None),
    ],
)
def test_exit_codes_are_those_of_the_page(
    tmp_path: Path, arguments: str, code: int, printed: dict[str, object] | None
) -> None:
    done = nothing_runs(tmp_path / "home", *arguments.split())
    assert done.returncode == code, done.stderr
    if printed is not None:
        assert json.loads(done.stdout) == printed
    else:
        assert done.stdout == ""
        assert "Traceback" not in done.stderr
        assert done.stderr


def test_doctor_prints_its_findings_as_json(tmp_path: Path) -> None:
    done = nothing_runs(tmp_path / "home", "doctor", "--json")
    found = json.loads(done.stdout)
    assert found["problems"] == sum(not each["ok"] for each in found["findings"])
    assert done.returncode == (1 if found["problems"] else 0)
    assert {"what", "ok", "says"} == set(found["findings"][0])


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "adbid models pro", "COMP_CWORD": "2"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "adbid models pro"}),
        (
            "fish",
            {
                "_TYPER_COMPLETE_ARGS": "adbid models pro",
                "_TYPER_COMPLETE_FISH_ACTION": "get-args",
            },
        ),
    ],
)
def test_a_shell_completes_commands_of_groups(shell: str, asked: dict[str, str]) -> None:
    done = subprocess.run(
        [Path(sys.executable).with_name("adbid")],
        env=os.environ | asked | {"_ADBID_COMPLETE": f"complete_{shell}"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert "promote" in done.stdout, done.stderr
    assert "rollback" not in done.stdout


@pytest.mark.parametrize(
    ("shell", "said"),
    [
        ("bash", "complete -o default -F _adbid_completion adbid"),
        ("zsh", "#compdef adbid"),
        ("fish", "complete --command adbid"),
    ],
)
def test_the_completion_script_is_that_of_the_shell_that_is_named(shell: str, said: str) -> None:
    """Whichever shell calls, if any does."""
    shown = run.invoke(app, ["--show-completion", shell], prog_name="adbid")
    assert shown.exit_code == 0, shown.output
    assert "_ADBID_COMPLETE" in shown.stdout
    assert said in shown.stdout


def test_a_shell_that_is_not_known_is_wrong_usage() -> None:
    shown = run.invoke(app, ["--show-completion", "tcsh"], prog_name="adbid")
    assert shown.exit_code == 2
    assert "'zsh'" in shown.output


def test_an_import_tells_a_script_what_it_mended(capsys: pytest.CaptureFixture[str]) -> None:
    report = Report("ipinyou", "log.csv", rows=3, accepted=2)
    report.notes["price missing"] += 1
    report.rejected["clicks above impressions"] += 1
    print_report(report, as_json=True)
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == {"price missing": 1}
    assert told["rejected"] == {"clicks above impressions": 1}
