"""Who steps back for those that answer bundles."""

import os
import subprocess
from collections.abc import Iterator

import psutil
import pytest

from cli.embedded import courtesy

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
def processes() -> Iterator[dict[str, psutil.Process]]:
    """Sleepers that bear the titles."""
    started = {title: subprocess.Popen([title, "60"], executable="/bin/sleep") for title in TITLES}
    yield {title: psutil.Process(process.pid) for title, process in started.items()}
    for process in started.values():
        process.kill()
        process.wait()


def test_only_what_answers_no_bundle_and_starts_nobody_steps_back(
    processes: dict[str, psutil.Process],
) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    courtesy.step_back(processes.values())
    nicer = {title for title, process in processes.items() if process.nice() != own}
    assert nicer == set(TITLES[:4])
    assert {processes[title].nice() for title in nicer} == {max(courtesy.NICENESS, own)}


def test_what_is_gone_is_passed_over(processes: dict[str, psutil.Process]) -> None:
    gone = processes[TITLES[0]]
    gone.kill()
    gone.wait()
    courtesy.step_back(processes.values())
    assert processes[TITLES[1]].nice() >= courtesy.NICENESS
