"""Ray's Jobs API, played by a list of jobs that a test may end."""

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any


@dataclass
class RayJobs:
    """Ray's list of jobs."""

    jobs: dict[str, str] = field(default_factory=dict)
    down: bool = False

    def submit_job(self, *, submission_id: str, **_: Any) -> str:
        if self.down:
            raise RuntimeError("Request failed with status code 503: head is away.")
        self.jobs[submission_id] = "PENDING"
        return submission_id

    def get_job_status(self, job_id: str) -> Any:
        if job_id not in self.jobs:
            raise RuntimeError(f"Request failed with status code 404: no job {job_id}.")
        return SimpleNamespace(value=self.jobs[job_id])

    def get_job_logs(self, job_id: str) -> str:
        return "the last words"
