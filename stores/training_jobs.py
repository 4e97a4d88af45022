"""Submitting retraining to Ray: one job a night, told by its submission id."""

import shlex
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from bidding.errors import AdBidError, Conflict, StoreUnavailable
from stores.settings import PROJECT_ROOT, Settings
from stores.training_runs import RunBook

_ACTIVE = ("PENDING", "RUNNING")
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


def submit(settings: Settings, *, night: date | None = None) -> Submission:
    """Submit a run: of a night, or (None) by hand, now.

    Raises `Conflict` where that night was trained on, `StoreUnavailable` where Ray or
    PostgreSQL does not answer. Blocking.
    """
    if settings.database_url is None or settings.ray_dashboard_url is None:
        raise StoreUnavailable("the system does not run: `adbid up` starts it")
    submission_id = hand_id(datetime.now(UTC)) if night is None else night_id(night)
    book = RunBook(settings.database_url)
    book.enter(submission_id, night)
    try:
        _client(settings).submit_job(
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


def log_tail(settings: Settings, submission_id: str, lines: int = 60) -> str:
    """The end of a run's output; empty where Ray no longer knows it. Blocking."""
    if settings.ray_dashboard_url is None:
        return ""
    try:
        logs = str(_client(settings).get_job_logs(submission_id))
    except Exception:  # Ray forgets jobs, and its client raises plain RuntimeError for it
        return ""
    return "\n".join(logs.splitlines()[-lines:])


def status_of(settings: Settings, submission_id: str) -> str | None:
    """What Ray says of a run; None where it no longer knows it. Blocking."""
    if settings.ray_dashboard_url is None:
        return None
    try:
        return str(_client(settings).get_job_status(submission_id).value)
    except Exception:
        return None


def _client(settings: Settings) -> Any:
    from ray.job_submission import JobSubmissionClient

    return JobSubmissionClient(settings.ray_dashboard_url)


def _entrypoint(submission_id: str) -> str:
    python, root = shlex.quote(sys.executable), shlex.quote(str(PROJECT_ROOT))
    job = f"{python} -m training.nightly --submission-id {shlex.quote(submission_id)}"
    return f"cd {root} && exec {job}"
