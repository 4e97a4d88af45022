"""What a crash left is ended, also where there is no PostgreSQL of ours: in the container image."""

from pathlib import Path

import pytest

from cli.embedded import postgres_place, processes
from cli.embedded.home import Home
from cli.embedded.supervisor import clear_away


def test_without_the_servers_package_the_rest_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(postgres_place, "_PACKAGE", "no_such_package")
    home = Home(tmp_path)
    home.create()
    left = processes.spawn(
        ["sleep", "60"],
        env=processes.child_env(home),
        log=home.log("left"),
        cwd=tmp_path,
    )
    assert [each.pid for each in processes.marked(home)] == [left.pid]
    clear_away(home)
    assert left.wait(5) != 0
    assert not processes.marked(home)
