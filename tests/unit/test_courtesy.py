"""Who steps back for those that answer bundles."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from cli.embedded import courtesy, processes

TITLES = (
    "ray::ServeController",
    "ray::DashboardAgent",
    "/somewhere/gcs_server",
    "ray::ServeReplica:adbid:Telemetry",
    "ray::ServeReplica:adbid:Ingress",
    "ray::ServeReplica:adbid:Scoring",
    "ray::IDLE",
    "ray::HAProxyManager",
)


@pytest.fixture
def sleepers() -> Iterator[dict[str, psutil.Process]]:
    """Sleepers that bear the titles."""
    started = {title: subprocess.Popen([title, "60"], executable="/bin/sleep") for title in TITLES}
    yield {title: psutil.Process(process.pid) for title, process in started.items()}
    for process in started.values():
        process.kill()
        process.wait()


def test_only_what_answers_no_bundle_and_starts_nobody_steps_back(
    sleepers: dict[str, psutil.Process],
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    courtesy.step_back(sleepers.values())
    nicer = {title for title, process in sleepers.items() if process.nice() != own}
    assert nicer == set(TITLES[:4])
    assert {sleepers[title].nice() for title in nicer} == {max(courtesy.NICENESS, own)}


def test_what_is_gone_is_passed_over(sleepers: dict[str, psutil.Process]) -> None:
    gone = sleepers[TITLES[0]]
    gone.kill()
    gone.wait()
    courtesy.step_back(sleepers.values())
    assert sleepers[TITLES[1]].nice() >= courtesy.NICENESS


def test_a_part_that_steps_back_does_so_with_all_that_it_starts(tmp_path: Path) -> None:
    started = processes.spawn(
        ["/bin/sh", "-c", "sleep 60 & wait"],
        env={},
        log=tmp_path / "log",
        cwd=tmp_path,
        niceness=courtesy.NICENESS,
    )
    try:
        assert psutil.Process(started.pid).nice() >= courtesy.NICENESS
        group = Path(f"/proc/{started.pid}/autogroup")
        if group.exists() and group.read_text().startswith("/"):
            assert group.read_text().split()[-1] == str(courtesy.NICENESS)
    finally:
        processes.end_child(started, grace_s=1)
