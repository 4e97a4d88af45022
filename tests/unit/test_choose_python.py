"""`make` takes the first Python that fits, or one that is clearly faster."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from cli import choose_python
from stores.settings import PROJECT_ROOT

SCRIPT = PROJECT_ROOT / "cli/choose_python.py"


@pytest.mark.parametrize(
    ("found", "chosen"),
    [
        ([(10.0, "first")], "first"),
        ([(10.0, "first"), (8.1, "other")], "first"),
        ([(10.0, "first"), (7.9, "other"), (7.0, "fastest")], "fastest"),
        ([(7.0, "first"), (10.0, "other")], "first"),
    ],
)
def test_the_first_goes_before_one_that_is_hardly_faster(
    found: list[tuple[float, str]], chosen: str
) -> None:
    assert choose_python.choose(found) == chosen


def run(*candidates: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, SCRIPT, *candidates], capture_output=True, text=True, check=False
    )


def test_what_is_no_python_or_none_that_fits_is_passed_over(tmp_path: Path) -> None:
    too_old = tmp_path / "python2"
    too_old.write_text("#!/bin/sh\nexit 1\n")
    too_old.chmod(0o755)
    done = run("no-such-python", too_old, sys.executable)
    assert done.stdout.strip() == sys.executable
    assert run("no-such-python", too_old).returncode == 1


def test_what_fits_is_what_the_project_asks_for() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    (least, minor), (most, last) = choose_python.LEAST, choose_python.MOST
    assert project["requires-python"] == f">={least}.{minor},<{most}.{last + 1}"


def test_a_version_that_we_do_not_support_does_not_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_python.own_pace() == 0
    monkeypatch.setattr(choose_python, "MOST", (3, 10))
    assert choose_python.own_pace() == 1
