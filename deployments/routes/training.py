"""`/api/training/...`: nightly and hand-started runs, and the dry run of a candidate."""

import asyncio
from datetime import datetime
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, ConfigDict, Field

from bidding.errors import NotFound
from deployments import openapi
from deployments.access import Access
from deployments.dry_run import DryRunFound, DryRunner
from stores import training_jobs
from stores.settings import load_settings
from stores.training_runs import TrainingRun, TrainingRuns

Status = Literal["PENDING", "RUNNING", "SUCCEEDED", "FAILED", "STOPPED"]
SubmissionId = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]


class Run(BaseModel):
    """One retraining. `ne`, `champion_ne`: normalized entropy on the same held out rows."""

    run_id: str | None
    submission_id: str
    status: Status
    started_at: datetime | None
    ended_at: datetime | None
    rows: int | None
    verdict: str | None
    ne: float | None
    champion_ne: float | None
    progress: str | None


class RunDetail(Run):
    """With the end of its output."""

    log_tail: str


class Runs(BaseModel):
    """A page, newest first."""

    items: list[Run]
    total: int
    limit: int
    offset: int


class PageQuery(BaseModel):
    """Which page."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=50, ge=1, le=500)
    offset: int = Field(default=0, ge=0, le=1_000_000)


class Submitted(BaseModel):
    """A run was submitted."""

    submission_id: str


class DryRunIn(BaseModel):
    """A registered version."""

    model_config = ConfigDict(extra="forbid")

    model: Literal["adbid-ctr", "adbid-cvr"]
    version: str = Field(pattern=r"^[0-9]{1,9}$")


def build(runs: TrainingRuns, dry_runner: DryRunner, access: Access) -> APIRouter:
    """The router of training."""
    router = APIRouter(prefix="/api/training", tags=["training"])
    view, ml = access.require("view"), access.require("ml")

    @router.get(
        "/runs",
        summary="Training runs, newest first",
        dependencies=[view],
        responses=openapi.errors(401, 403, 422, 503),
    )
    async def list_runs(page: Annotated[PageQuery, Query()]) -> Runs:
        found, total = await runs.page(page.limit, page.offset)
        return Runs(
            items=[_run(each) for each in found],
            total=total,
            limit=page.limit,
            offset=page.offset,
        )

    @router.get(
        "/runs/{submission_id}",
        summary="One training run, with the end of its output",
        dependencies=[view],
        responses=openapi.errors(401, 403, 404, 422, 503),
    )
    async def show_run(submission_id: SubmissionId) -> RunDetail:
        found = await runs.one(submission_id)
        if found is None:
            raise NotFound(f"there is no training run {submission_id!r}")
        tail = await asyncio.to_thread(training_jobs.log_tail, load_settings(), submission_id)
        return RunDetail(**_run(found).model_dump(), log_tail=found.error or tail)

    @router.post(
        "/runs",
        summary="Retrain now",
        status_code=202,
        dependencies=[ml],
        responses=openapi.errors(401, 403, 409, 503),
    )
    async def start_run() -> Submitted:
        done = await asyncio.to_thread(training_jobs.submit, load_settings())
        return Submitted(submission_id=done.submission_id)

    @router.post(
        "/dry-run",
        summary="Score canned bundles with a candidate, in the live graph",
        dependencies=[ml],
        responses=openapi.errors(400, 401, 403, 404, 413, 415, 422, 503),
    )
    async def dry_run(candidate: DryRunIn) -> DryRunFound:
        return await dry_runner.run(candidate.model, candidate.version)

    return router


def _run(found: TrainingRun) -> Run:
    return Run(
        run_id=found.run_id,
        submission_id=found.submission_id,
        status=found.status,  # type: ignore[arg-type]  # a CHECK of the table
        started_at=found.started_at,
        ended_at=found.ended_at,
        rows=found.model_rows,
        verdict=found.verdict,
        ne=found.ne,
        champion_ne=found.champion_ne,
        progress=found.error or found.progress or None,
    )
