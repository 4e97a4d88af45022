"""Submitting retraining to Ray: one job a night, told by its submission id."""

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Protocol

from bidding.errors import AdBidError, Conflict, StoreUnavailable
from stores.settings import PROJECT_ROOT, Settings
from stores.training_runs import RunBook

_ACTIVE = ("PENDING", "RUNNING")
# From the book to Ray is a moment; a run that Ray does not know after that never gets there.
LOST_AFTER = timedelta(minutes=2)
# While it starts, too: importing what it needs takes seconds. It steps back further by itself.
NICE = "nice -n 15"
CPUS = 0.2  # so that replicas do not starve it, nor it them: it is niced besides


@dataclass(frozen=True, slots=True)
class Submission:
    """A run that Ray has accepted."""

    submission_id: str


def night_id(night: date) -> str:
    """The submission id of a night: the same night is refused a second time."""
    return f"retrain-{night.isoformat()}"


def hand_id(now: datetime) -> str:
    """The submission id of a run that a person asked for."""
    return f"retrain-{now:%Y-%m-%d-%H%M%S}"


class Jobs(Protocol):
    """What is asked of Ray's Jobs API."""

    def submit_job(
        self,
        *,
        entrypoint: str,
        submission_id: str,
        entrypoint_num_cpus: float,
        metadata: dict[str, str],
    ) -> str: ...
    def get_job_status(self, job_id: str) -> Any: ...
    def get_job_logs(self, job_id: str) -> str: ...


def submit(
    settings: Settings, *, night: date | None = None, attempts: int = 1, jobs: Jobs | None = None
) -> Submission:
    """Submit a run: of a night, the next of its `attempts`, or (None) by hand, now.

    Raises `Conflict` where that night was trained on, or while a run goes on;
    `StoreUnavailable` where Ray or PostgreSQL does not answer. Blocking.
    """
    if settings.database_url is None or settings.ray_dashboard_url is None:
        raise StoreUnavailable("the system does not run: `adbid up` starts it")
    book = RunBook(settings.database_url)
    jobs = jobs or client_of(settings)
    reconcile(book, jobs)
    if night is None:
        submission_id = hand_id(datetime.now(UTC))
        book.enter(submission_id)
    else:
        submission_id = book.enter_night(night, night_id(night), attempts)
    try:
        jobs.submit_job(
            entrypoint=_entrypoint(submission_id),
            submission_id=submission_id,
            entrypoint_num_cpus=CPUS,
            metadata={"job": "retrain"},
        )
    except AdBidError:
        book.forget(submission_id)
        raise
    except Exception as error:
        book.forget(submission_id)
        if "already exists" in str(error):
            raise Conflict(f"{submission_id} was submitted before") from error
        raise StoreUnavailable(f"Ray took no job: {str(error)[:300]}") from error
    return Submission(submission_id)


def reconcile(book: RunBook, jobs: Jobs) -> list[str]:
    """Close the runs that can't close themselves: killed, or never arrived. Their ids.

    Ray is asked for each run that the book holds for unfinished. Raises `StoreUnavailable`
    where it does not answer. Blocking.
    """
    closed = []
    for run in book.unfinished():
        says = _status(jobs, run.submission_id)
        if says in _ACTIVE or (says is None and run.age < LOST_AFTER):
            continue
        if book.give_up(run.submission_id, _why_lost(jobs, run.submission_id, says)):
            closed.append(run.submission_id)
    return closed


def _status(jobs: Jobs, submission_id: str) -> str | None:
    """What Ray says of a run; None where it does not know it."""
    try:
        return str(jobs.get_job_status(submission_id).value)
    except RuntimeError as error:
        if "status code 404" in str(error):
            return None
        raise StoreUnavailable(f"Ray does not answer: {str(error)[:200]}") from error
    except OSError as error:  # requests' errors are of these, too
        raise StoreUnavailable(f"Ray does not answer: {type(error).__name__}") from error


def _why_lost(jobs: Jobs, submission_id: str, says: str | None) -> str:
    if says is None:
        return "Ray does not know this run: it never got there, or Ray was started anew"
    return f"the job ended early ({says}): {_tail(jobs, submission_id, 20)[-1500:]}"


def log_tail(settings: Settings, submission_id: str, lines: int = 60) -> str:
    """The end of a run's output; empty where Ray no longer knows it. Blocking."""
    if settings.ray_dashboard_url is None:
        return ""
    try:
        return _tail(client_of(settings), submission_id, lines)
    except StoreUnavailable:
        return ""


def _tail(jobs: Jobs, submission_id: str, lines: int) -> str:
    try:
        logs = str(jobs.get_job_logs(submission_id))
    except (RuntimeError, OSError):  # Ray forgets jobs, and its client raises RuntimeError for it
        return ""
    return "\n".join(logs.splitlines()[-lines:])


def client_of(settings: Settings) -> Jobs:
    """Ray's Jobs API. Raises `StoreUnavailable` where it does not answer."""
    from ray.job_submission import JobSubmissionClient

    try:
        client: Jobs = JobSubmissionClient(settings.ray_dashboard_url)
    except (ConnectionError, RuntimeError) as error:
        raise StoreUnavailable("Ray does not answer") from error
    return client


def _entrypoint(submission_id: str) -> str:
    python, root = shlex.quote(sys.executable), shlex.quote(str(PROJECT_ROOT))
    job = f"{python} -m training.nightly --submission-id {shlex.quote(submission_id)}"
    return f"cd {root} && exec {NICE} {job}"
