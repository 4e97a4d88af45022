"""What a crash left is ended, also where there is no PostgreSQL of ours: in the container image."""

import subprocess
import sys
from pathlib import Path

import pytest

from cli.embedded import postgres_place, processes
from cli.embedded.home import Home
from cli.embedded.supervisor import SUPERVISE, clear_away


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


def test_a_supervisor_that_came_later_waits_for_its_turn(tmp_path: Path) -> None:
    home = Home(tmp_path)
    home.create()

    def marked(*words: str) -> subprocess.Popen[bytes]:
        sleep = [sys.executable, "-c", "import time; time.sleep(60)", *words]
        env = processes.child_env(home)
        return processes.spawn(sleep, env=env, log=home.log("left"), cwd=tmp_path)

    left, coming = marked(), marked(*SUPERVISE)
    try:
        assert clear_away(home)
        assert left.wait(5) != 0
        assert coming.poll() is None
    finally:
        coming.kill()
        coming.wait(5)
    assert not clear_away(home)
