"""Retraining on demand: one run at a time over HTTP, and what `adbid retrain` shows of it."""

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import httpx
import psycopg
import pytest
from typer.testing import CliRunner

from cli import retrain_commands
from cli.main import app
from deployments import api
from deployments.access import Access
from deployments.routes import training
from stores import training_jobs
from stores.audit import Author
from stores.memory_keys import MemoryKeys
from stores.postgres import Postgres
from stores.training_runs import RunBook, TrainingRuns
from tests.ray_jobs import RayJobs

RUNS = "/api/training/runs"


@pytest.fixture
def ray_jobs(monkeypatch: pytest.MonkeyPatch, postgres_url: str) -> RayJobs:
    found = RayJobs()
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("ADBID_RAY_DASHBOARD_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(training_jobs, "client_of", lambda settings: found)
    monkeypatch.setattr(retrain_commands, "POLL_S", 0.05)
    with psycopg.connect(postgres_url) as connection:
        connection.execute("TRUNCATE training_run")
    return found


async def no_score(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
    return b"{}"


def ready() -> dict[str, Any]:
    return {"ready": True, "degraded": [], "models": {}}


async def test_a_second_retraining_is_refused_with_409_while_one_runs(
    ray_jobs: RayJobs, postgres_url: str
) -> None:
    keys, postgres = MemoryKeys(), Postgres(postgres_url, timeout_s=5)
    access = Access(keys, scoring_open=True)
    routes = training.build(TrainingRuns(postgres), None, access)  # type: ignore[arg-type]
    service = api.build(no_score, ready, access, [routes])
    token = (await keys.create("ml", ("ml", "view"), Author("admin"))).token
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(service),
        base_url="http://test",
        headers={"Authorization": f"Bearer {token}"},
    ) as client:
        first = await client.post(RUNS)
        second = await client.post(RUNS)
        assert (first.status_code, second.status_code) == (202, 409)
        run = first.json()["submission_id"]
        assert "one run at a time" in second.json()["detail"]
        assert list(ray_jobs.jobs) == [run]
        shown = (await client.get(RUNS)).json()["items"]
        assert [(each["submission_id"], each["status"]) for each in shown] == [(run, "PENDING")]
    await postgres.aclose()


@pytest.fixture
def job(ray_jobs: RayJobs, postgres_url: str) -> Iterator["Job"]:
    found = Job(RunBook(postgres_url), ray_jobs)
    yield found
    found.stop.set()


class Job:
    """What the submitted job would write, step by step, in a thread of its own."""

    def __init__(self, book: RunBook, jobs: RayJobs) -> None:
        self.book = book
        self.jobs = jobs
        self.stop = threading.Event()

    def run(self, *steps: dict[str, object]) -> None:
        threading.Thread(target=self._write, args=(steps,), daemon=True).start()

    def _write(self, steps: tuple[dict[str, object], ...]) -> None:
        while not self.jobs.jobs and not self.stop.is_set():
            time.sleep(0.01)
        (run,) = self.jobs.jobs
        for step in steps:
            self.book.write(run, **step)
            time.sleep(0.4)


def test_each_step_is_shown_as_it_comes_and_a_passed_gate_is_exit_code_0(job: Job) -> None:
    job.run(
        {"status": "RUNNING", "progress": "reading the history"},
        {"progress": "fitting adbid-ctr on 1,000 rows"},
        {"status": "SUCCEEDED", "verdict": "passed", "progress": "done: adbid-ctr 4 passed"},
    )
    done = CliRunner().invoke(app, ["retrain", "--now"])
    assert done.exit_code == 0, done.output
    said = ["submitted retrain-", "reading the history", "fitting adbid-ctr", "adbid-ctr 4 passed"]
    places = [done.output.find(each) for each in said]
    assert -1 not in places, done.output
    assert places == sorted(places)


def test_a_failed_gate_is_exit_code_2_and_a_failed_run_1_with_the_reason(job: Job) -> None:
    job.run({"status": "SUCCEEDED", "verdict": "failed", "progress": "done"})
    refused = CliRunner().invoke(app, ["retrain", "--now", "--json"])
    assert refused.exit_code == 2
    assert json.loads(refused.output)["verdict"] == "failed"
    job.jobs.jobs.clear()
    time.sleep(1.0)  # ids of runs by hand are of the second
    job.run({"status": "FAILED", "error": "there is no history in the window"})
    failed = CliRunner().invoke(app, ["retrain", "--now"])
    assert failed.exit_code == 1
    assert "there is no history" in failed.output
