"""The Ray job: history -> fit -> judge -> gate -> register -> dry run -> promote.

`python -m training.nightly --submission-id ID` runs it anywhere that reaches PostgreSQL and
MLflow; `adbid retrain` and the scheduler submit it through Ray's Jobs API, Kubernetes as a
RayJob. What happens is written to `training_run` as it happens, and to MLflow with the verdict.
"""

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import structlog
from mlflow import MlflowClient

from bidding.contract import FeatureContract
from bidding.errors import AdBidError, InvalidRequest, NotFound, StoreUnavailable
from bidding.pricing import Flags
from stores.audit import Author
from stores.feature_contract import load_contract
from stores.model_files import ServingModel
from stores.model_registry import CHAMPION, CTR_MODEL, CVR_MODEL
from stores.outcomes import Maturity, live_rows
from stores.priors import read_pairs, write_priors
from stores.promotion import open_promotions
from stores.settings import Settings, load_settings
from stores.training_rows import Window, imported_rows
from stores.training_runs import RunBook
from training import dry_run, plots, registry
from training.dataset import Dataset, conversions_of, dataset_of, key_of
from training.fit import Fitter
from training.gate import DryRun, Duel, Evidence, Verdict, judge
from training.judge import Judge
from training.metrics import Judged, normalized_entropy_of
from training.pipeline import Trained, train_on
from training.prior_fits import fit_history
from training.spec import TrainingSpec, load_spec
from training.split import split_of

SECONDS_PER_DAY = 86_400.0
LEAST_TRAINING_DAYS = 2.0
log = structlog.get_logger(__name__)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one model."""

    name: str
    version: str
    run_id: str
    verdict: Verdict
    rows: int
    ne: float
    champion_ne: float | None
    promoted: bool


@dataclass(frozen=True, slots=True)
class Job:
    """What a run needs; `say` reports progress, `service` is where canned bundles are sent."""

    settings: Settings
    spec: TrainingSpec
    contract: FeatureContract
    client: MlflowClient
    now: datetime
    say: Report
    service: dry_run.Service | None

    @property
    def database_url(self) -> str:
        """Raises `StoreUnavailable` where none is set."""
        if self.settings.database_url is None:
            raise StoreUnavailable("DATABASE_URL is not set; `adbid up` sets it")
        return self.settings.database_url


def main(arguments: Sequence[str] | None = None) -> int:
    """Run once. Exit code 0 with a verdict either way, 1 when the job could not be done."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--submission-id", required=True)
    parser.add_argument("--no-dry-run", action="store_true", help="do not ask a live service")
    given = parser.parse_args(arguments)
    settings, spec = load_settings(), load_spec()
    os.nice(spec.nightly.niceness)
    if settings.database_url is None or settings.mlflow_tracking_uri is None:
        print("DATABASE_URL and MLFLOW_TRACKING_URI are not set", file=sys.stderr)
        return 1
    book = RunBook(settings.database_url)
    run = given.submission_id
    book.write(run, status="RUNNING", started_at=datetime.now(UTC))

    def say(text: str) -> None:
        print(f"{datetime.now(UTC):%H:%M:%S} {text}", flush=True)
        book.write(run, progress=text)

    job = Job(
        settings=settings,
        spec=spec,
        contract=load_contract(),
        client=registry.connect(settings.mlflow_tracking_uri),
        now=datetime.now(UTC),
        say=say,
        service=None if given.no_dry_run else dry_run.service_of(settings),
    )
    try:
        results = retrain(job)
    except AdBidError as error:
        return _failed(book, run, error.detail)
    except Exception as error:  # the job's boundary: whatever it was, the run says so
        log.exception("retraining_failed")
        return _failed(book, run, f"{type(error).__name__}: {error}")
    book.write(run, **_outcome(results), status="SUCCEEDED", ended_at=datetime.now(UTC))
    return 0


def retrain(job: Job) -> list[Result]:
    """Train, judge and, where the gate lets it, promote: CTR, then CVR where it can be learned.

    Raises `InvalidRequest` when there is too little history.
    """
    job.say("fitting the priors")
    write_priors(job.database_url, fit_history(read_pairs(job.database_url)))
    job.say("reading the history")
    tables = _history(job)
    if not tables:
        raise InvalidRequest("there is no history in the window; import a log or report events")
    verticals = {key_of(n): n for table in tables for n in table["vertical"].unique() if n}
    rows = dataset_of(tables, job.contract)
    results = [_one(job, CTR_MODEL, "ctr", rows, verticals)]
    clicks = conversions_of(tables, job.contract)
    converted = int(clicks.outcomes.sum())
    if min(converted, len(clicks) - converted) >= job.spec.cvr.min_conversions:
        results.append(_one(job, CVR_MODEL, "cvr", clicks, verticals))
    else:
        job.say(f"no CVR model: {converted} conversions of {len(clicks)} mature clicks")
    return results


def held_out(rows: Dataset, spec: TrainingSpec) -> Flags:
    """The last day(s) of the rows; a share by hash where they span too little time for that.

    Fewer than two days before the last would leave hours of the day without training.
    """
    known = rows.occurred_s[np.isfinite(rows.occurred_s)]
    if len(known) == len(rows) and len(known):
        days = spec.nightly.judge_days
        last = np.floor(known.max() / SECONDS_PER_DAY) - days + 1
        late: Flags = rows.occurred_s >= last * SECONDS_PER_DAY
        if last * SECONDS_PER_DAY - known.min() < LEAST_TRAINING_DAYS * SECONDS_PER_DAY:
            return _by_hash(rows, spec)
        enough = spec.gate.least_outcomes
        if rows.outcomes[late].sum() >= enough and rows.outcomes[~late].sum() >= 2 * enough:
            return late
    return _by_hash(rows, spec)


def _by_hash(rows: Dataset, spec: TrainingSpec) -> Flags:
    return split_of(rows.row_keys, spec.split.holdout or 0.2, spec.split.fold)


def _history(job: Job) -> list[pl.DataFrame]:
    nightly = job.spec.nightly
    since = job.now - timedelta(days=nightly.window_days)
    maturity = Maturity(
        click=timedelta(seconds=nightly.clicks_mature_s),
        conversion=timedelta(seconds=nightly.conversions_mature_s),
    )
    simulated = None if nightly.include_simulated else False
    decided = live_rows(
        job.database_url, job.now, Window(since=since), maturity, simulated=simulated
    )
    return [*imported_rows(job.database_url, Window(since=since)), *decided]


def _one(job: Job, name: str, rate: str, rows: Dataset, verticals: dict[int, str]) -> Result:
    held = held_out(rows, job.spec)
    job.say(f"fitting {name} on {int((~held).sum()):,} rows, judging on {int(held.sum()):,}")
    trained = train_on(
        rows,
        held,
        job.contract,
        job.spec,
        rate=rate,
        verticals=verticals,
        fitter=_fitter(job, rows),
    )
    job.say(f"judging {name}")
    champion = _champion(job, name)
    evidence = _evidence(trained, rows.take(held), champion)
    verdict = judge(evidence, job.spec.gate)
    registered = registry.register(
        job.client,
        trained,
        job.spec,
        registry.RunNotes(tags={"gate": "pending"}, files=_files(verdict)),
        crown_first=False,
    )
    if verdict.passed and job.service is not None:
        job.say(f"dry run of {name} {registered.version}")
        found = _dry_run(job.service, name, registered.version)
        verdict = judge(_with(evidence, found), job.spec.gate)
    _write_verdict(job, registered, verdict)
    promoted = verdict.passed and _promote(job, registered, champion)
    duel = evidence.duel
    champion_ne = None if duel is None else normalized_entropy_of(duel.champion)
    ours = evidence.candidate if duel is None else duel.candidate
    job.say(f"{name} {registered.version}: gate {verdict.word}")
    return Result(
        name=name,
        version=registered.version,
        run_id=registered.run_id,
        verdict=verdict,
        rows=len(trained.rows),
        ne=normalized_entropy_of(ours),
        champion_ne=champion_ne,
        promoted=promoted,
    )


def _fitter(job: Job, rows: Dataset) -> Fitter | None:
    """Past one machine, the cluster's workers."""
    if len(rows) < job.spec.nightly.distribute_from_rows:
        return None
    from training.distributed import cluster_fitter  # imports Ray Train, which most runs never need

    return cluster_fitter(job.spec.nightly.workers)


def _champion(job: Job, name: str) -> Judge | None:
    try:
        found = registry.fetch(job.client, registry.Wanted(name, CHAMPION))
    except (NotFound, AdBidError) as error:
        log.warning("no_champion", model=name, reason=str(error))
        return None
    return found if found.model.contract_hash == job.contract.hash else None


def _evidence(trained: Trained, rows: Dataset, champion: Judge | None) -> Evidence:
    """Predictions on today's posteriors: the candidate's on all held out rows, and both models' on
    those that neither was trained on."""
    duel = None
    if champion is not None:
        common = rows.take(~np.isin(rows.row_keys, champion.trained))
        if common.outcomes.sum() > 0:
            duel = Duel(
                _judged(trained, common, trained.fitted.serving),
                _judged(trained, common, champion.model),
            )
    return Evidence(
        candidate=_judged(trained, rows, trained.fitted.serving),
        duel=duel,
        groups={kind: rows.groups[kind] for kind in ("vertical", "device_type")},
        importance=plots.column_importance(trained.fitted.serving),
        dry_run=None,
    )


def _judged(trained: Trained, rows: Dataset, model: ServingModel) -> Judged:
    rates = trained.judge.history.rates(rows)
    predicted = model.predict(rows.batch(trained.contract, rates), rates.pair.astype(np.float32))
    return Judged(rows.outcomes, predicted.astype(np.float64), rows.weights * rows.counts)


def _with(evidence: Evidence, found: DryRun) -> Evidence:
    return replace(evidence, dry_run=found)


def _dry_run(service: dry_run.Service, name: str, version: str) -> DryRun:
    try:
        return dry_run.run(service, name, version)
    except StoreUnavailable as error:
        return DryRun(0, (error.detail,), 0.0)


def _files(verdict: Verdict) -> dict[str, str]:
    return {"gate_offline.json": json.dumps(verdict.plain(), indent=1)}


def _write_verdict(job: Job, registered: registry.Registered, verdict: Verdict) -> None:
    """To the version's tags and the run's artifacts."""
    name, version, client = registered.name, registered.version, job.client
    client.set_model_version_tag(name, version, "gate", verdict.word)
    client.set_model_version_tag(name, version, "gate_reasons", json.dumps(verdict.reasons)[:4900])
    client.log_text(registered.run_id, json.dumps(verdict.plain(), indent=1), "gate.json")
    client.set_tag(registered.run_id, "gate", verdict.word)


def _promote(job: Job, registered: registry.Registered, champion: Judge | None) -> bool:
    before = "none" if champion is None else champion.model.version
    reason = f"nightly retraining passed the gate (before: {before})"
    author = Author("nightly retraining", reason)

    async def move() -> None:
        async with open_promotions(job.settings) as (promotions, _):
            await promotions.promote(registered.name, registered.version, author)

    asyncio.run(move())
    return True


def _outcome(results: list[Result]) -> dict[str, object]:
    """The run's row: the CTR model's figures; a verdict is as good as the worst."""
    first = results[0]
    worst = next((r for r in results if not r.verdict.passed), first)
    reasons = "; ".join(worst.verdict.reasons)
    return {
        "run_id": first.run_id,
        "model_rows": first.rows,
        "verdict": worst.verdict.word,
        "ne": first.ne,
        "champion_ne": first.champion_ne,
        "progress": "done: "
        + ", ".join(f"{r.name} {r.version} {r.verdict.word}" for r in results)
        + (f" ({reasons})" if reasons else ""),
    }


def _failed(book: RunBook, run: str, detail: str) -> int:
    print(detail, file=sys.stderr)
    book.write(run, status="FAILED", ended_at=datetime.now(UTC), error=detail[:2000])
    return 1


if __name__ == "__main__":
    sys.exit(main())
