"""The nightly loop on a real PostgreSQL and a real MLflow: what passes serves, what fails does not.

Ray's Jobs API is the one part that is played: by a job list that a test may kill jobs of.
"""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import psycopg
import pytest

from bidding.errors import Conflict, InvalidRequest, StoreUnavailable
from cli import scheduler
from stores import training_jobs
from stores.feature_contract import load_contract
from stores.importing.import_ipinyou import IpinyouOptions, import_ipinyou
from stores.model_registry import CTR_MODEL
from stores.settings import Settings
from stores.training_jobs import night_id
from stores.training_runs import RunBook
from tests.dry_run_service import dry_run_service
from tests.ipinyou_log import write_log
from tests.mlflow_server import add_version, mlflow_server
from tests.ray_jobs import RayJobs
from training import nightly, registry
from training.spec import TrainingSpec, load_spec

pytestmark = pytest.mark.timeout(280)
NIGHT = date(2026, 11, 24)


def spec_of(**gate: object) -> TrainingSpec:
    spec = load_spec()
    booster = spec.booster.model_copy(update={"n_estimators": 20, "learning_rate": 0.1})
    loose = {"dry_run": False, "largest_importance": 1.0} | gate
    changes = {"booster": booster, "gate": spec.gate.model_copy(update=loose)}
    return spec.model_copy(update=changes)


@pytest.fixture(scope="module")
def job(empty_postgres_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[nightly.Job]:
    folder = tmp_path_factory.mktemp("nightly")
    log = write_log(folder / "log.csv.gz", 8_000)
    today = datetime.now(UTC).date()
    last_week = IpinyouOptions(week_of=today - timedelta(days=7 + today.weekday()))
    import_ipinyou(empty_postgres_url, log, last_week, lambda *_: None)
    with mlflow_server(folder) as uri:
        yield nightly.Job(
            settings=Settings(DATABASE_URL=empty_postgres_url, MLFLOW_TRACKING_URI=uri),
            spec=spec_of(),
            contract=load_contract(),
            client=registry.connect(uri),
            now=datetime.now(UTC),
            say=lambda _: None,
            service=None,
        )


def priors(job: nightly.Job) -> int:
    with psycopg.connect(job.database_url) as connection:
        row = connection.execute("SELECT count(*) FROM vertical_prior").fetchone()
    assert row is not None
    return int(row[0])


def tags(job: nightly.Job, version: str) -> dict[str, str]:
    return dict(job.client.get_model_version(CTR_MODEL, version).tags)


def test_nights_in_turn(job: nightly.Job) -> None:
    """Failed without a service; promoted; then judged against that champion; then a champion
    that nobody can read, and a registry that is away."""
    unserved = replace(job, spec=spec_of(dry_run=True))
    (first,) = nightly.retrain(unserved)
    assert first.verdict.reasons == [
        "dry run in the live graph: no service to dry-run on: set ADBID_URL and ADBID_KEY"
    ]
    assert tags(job, first.version)["gate"] == "failed"
    assert "no service" in tags(job, first.version)["gate_reasons"]
    assert registry.champion_of(job.client, CTR_MODEL) is None
    assert priors(job) == 0

    (second,) = nightly.retrain(job)
    assert second.verdict.passed, second.verdict.reasons
    assert registry.champion_of(job.client, CTR_MODEL) == second.version
    assert tags(job, second.version)["gate"] == "passed"
    assert second.champion_ne is None
    plotted = job.client.list_artifacts(second.run_id, "plots")
    assert {each.path for each in plotted} == {
        f"plots/{name}.png" for name in ("reliability", "importance", "gate_reliability")
    }
    assert priors(job) > 0

    strict = replace(job, spec=spec_of(largest_importance=0.01))
    (third,) = nightly.retrain(strict)
    assert [reason.split(":")[0] for reason in third.verdict.reasons] == ["no feature rules"]
    assert third.champion_ne == pytest.approx(third.ne)  # the same rows gave the same model
    assert registry.champion_of(job.client, CTR_MODEL) == second.version

    unreadable = add_version(job.client, CTR_MODEL, None)
    job.client.set_registered_model_alias(CTR_MODEL, "champion", unreadable)
    (fourth,) = nightly.retrain(job)
    assert [reason.split(":")[0] for reason in fourth.verdict.reasons] == [
        "not worse than the champion"
    ]
    assert registry.champion_of(job.client, CTR_MODEL) == unreadable


def with_few_conversions(job: nightly.Job, said: list[str]) -> nightly.Job:
    cvr = job.spec.cvr.model_copy(update={"min_conversions": 1})
    return replace(job, spec=job.spec.model_copy(update={"cvr": cvr}), say=said.append)


def test_a_night_that_ends_at_cvr_has_promoted_nothing(
    job: nightly.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    champion, learn, said = registry.champion_of(job.client, CTR_MODEL), nightly.train_on, []

    def fail_at_cvr(*given: Any, rate: str, **named: Any) -> Any:
        if rate == "cvr":
            raise StoreUnavailable("MLflow does not answer")
        return learn(*given, rate=rate, **named)

    monkeypatch.setattr(nightly, "train_on", fail_at_cvr)
    monkeypatch.setattr(nightly, "conversions_in", lambda _: (1, 1))
    with pytest.raises(StoreUnavailable):
        nightly.retrain(with_few_conversions(job, said))
    assert any("gate passed" in each or "gate failed" in each for each in said)
    assert registry.champion_of(job.client, CTR_MODEL) == champion


def newest(job: nightly.Job) -> str:
    found = job.client.search_model_versions(f"name='{CTR_MODEL}'")
    return str(max(int(each.version) for each in found))


def test_a_champion_that_moves_during_the_night_is_not_promoted_over(
    job: nightly.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody promotes while the CVR model is fitted."""
    learn, said = nightly.train_on, []
    theirs = add_version(job.client, CTR_MODEL, None)

    def promote_at_cvr(*given: Any, rate: str, **named: Any) -> Any:
        if rate == "cvr":
            job.client.set_registered_model_alias(CTR_MODEL, "champion", theirs)
            raise InvalidRequest("can't train on so few")
        return learn(*given, rate=rate, **named)

    job.client.delete_registered_model_alias(CTR_MODEL, "champion")
    monkeypatch.setattr(nightly, "train_on", promote_at_cvr)
    monkeypatch.setattr(nightly, "conversions_in", lambda _: (1, 1))
    (ctr,) = nightly.retrain(with_few_conversions(job, said))
    assert ctr.verdict.passed, ctr.verdict.reasons
    assert registry.champion_of(job.client, CTR_MODEL) == theirs
    note = "the champion moved meanwhile; not promoted"
    assert ctr.note == note
    assert f"{CTR_MODEL} {ctr.version}: {note}" in said
    assert note in str(nightly._outcome([ctr])["progress"])


def test_what_the_gate_refused_stays_refused_when_the_run_dies(
    job: nightly.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise StoreUnavailable("killed")

    monkeypatch.setattr(nightly, "log_judged_plot", die)
    with pytest.raises(StoreUnavailable):
        nightly.retrain(replace(job, spec=spec_of(largest_importance=0.01)))
    found = tags(job, newest(job))
    assert found["gate"] == "failed"
    assert "no feature rules" in found["gate_reasons"]


def test_a_service_that_is_away_is_no_verdict(job: nightly.Job) -> None:
    job.client.delete_registered_model_alias(CTR_MODEL, "champion")
    with dry_run_service(503) as service, pytest.raises(StoreUnavailable, match="not now"):
        nightly.retrain(
            replace(job, spec=spec_of(dry_run=True, dry_run_waits_s=0.0), service=service)
        )
    assert tags(job, newest(job))["gate"] == "pending"
    assert registry.champion_of(job.client, CTR_MODEL) is None


def test_conversions_in_too_few_rows_cost_the_cvr_model_alone(
    job: nightly.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(nightly, "conversions_in", lambda _: (500, 9_500))
    (ctr,) = nightly.retrain(with_few_conversions(job, said))
    assert ctr.name == CTR_MODEL
    assert [each for each in said if each.startswith("no CVR model: ")]


def test_a_registry_that_is_away_is_not_one_without_a_champion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from training.trial import find_champion

    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    before = registry.mlflow.get_tracking_uri()
    client = registry.connect("http://127.0.0.1:9")
    try:
        with pytest.raises(StoreUnavailable):
            find_champion(client, CTR_MODEL, load_contract())
    finally:
        registry.connect(before)


@pytest.fixture
def ray_jobs(monkeypatch: pytest.MonkeyPatch, empty_postgres_url: str) -> RayJobs:
    found = RayJobs()
    monkeypatch.setenv("DATABASE_URL", empty_postgres_url)
    monkeypatch.setenv("ADBID_RAY_DASHBOARD_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(training_jobs, "client_of", lambda settings: found)
    monkeypatch.setattr(scheduler, "due_night", lambda *_: NIGHT)
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute("TRUNCATE training_run")
    return found


@pytest.fixture
def book(empty_postgres_url: str) -> RunBook:
    return RunBook(empty_postgres_url)


@pytest.fixture
def settings(empty_postgres_url: str) -> Settings:
    return Settings(DATABASE_URL=empty_postgres_url, ray_dashboard_url="http://127.0.0.1:9")


def tick() -> None:
    scheduler.submit_due(datetime.now(UTC).time(), datetime(2026, 1, 1, tzinfo=UTC))


def test_a_night_is_submitted_once(ray_jobs: RayJobs, book: RunBook, settings: Settings) -> None:
    tick()
    tick()
    assert list(ray_jobs.jobs) == [night_id(NIGHT)]
    book.write(night_id(NIGHT), status="SUCCEEDED")
    tick()
    with pytest.raises(Conflict, match="trained on once"):
        training_jobs.submit(settings, night=NIGHT, attempts=9)
    assert list(ray_jobs.jobs) == [night_id(NIGHT)]


def test_a_killed_run_is_closed_and_its_night_tried_once_more(
    ray_jobs: RayJobs, book: RunBook
) -> None:
    tick()
    book.write(night_id(NIGHT), status="RUNNING", started_at=datetime.now(UTC))
    ray_jobs.jobs[night_id(NIGHT)] = "FAILED"  # kill -9: it wrote nothing
    tick()
    assert book.read(night_id(NIGHT))["status"] == "FAILED"
    assert "the last words" in book.read(night_id(NIGHT))["error"]
    assert list(ray_jobs.jobs) == [night_id(NIGHT), f"{night_id(NIGHT)}-2"]
    ray_jobs.jobs[f"{night_id(NIGHT)}-2"] = "FAILED"
    tick()
    tick()
    assert len(ray_jobs.jobs) == load_spec().nightly.attempts == 2


def test_a_night_entered_but_never_sent_is_not_lost(ray_jobs: RayJobs, book: RunBook) -> None:
    book.enter_night(NIGHT, night_id(NIGHT), 2)
    tick()
    assert not ray_jobs.jobs  # it may be on its way
    book.write(night_id(NIGHT), submitted_at=datetime(2026, 11, 24, 2, tzinfo=UTC))
    tick()
    assert list(ray_jobs.jobs) == [f"{night_id(NIGHT)}-2"]


def test_a_night_that_ray_refuses_stays_due(ray_jobs: RayJobs, settings: Settings) -> None:
    ray_jobs.down = True
    with pytest.raises(StoreUnavailable, match="Ray took no job"):
        training_jobs.submit(settings, night=NIGHT, attempts=2)
    ray_jobs.down = False
    tick()
    assert list(ray_jobs.jobs) == [night_id(NIGHT)]


def test_runs_by_hand_wait_for_each_other(
    ray_jobs: RayJobs, book: RunBook, settings: Settings
) -> None:
    run = training_jobs.submit(settings).submission_id
    with pytest.raises(Conflict, match="one run at a time"):
        training_jobs.submit(settings)
    assert list(ray_jobs.jobs) == [run]
    ray_jobs.jobs[run] = "STOPPED"
    training_jobs.submit(settings, night=NIGHT)
    assert book.read(run)["status"] == "FAILED"
