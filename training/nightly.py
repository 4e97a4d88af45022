"""The Ray job: history -> fit -> judge -> gate -> register -> dry run -> promote.

`python -m training.nightly --submission-id ID` runs it anywhere that reaches PostgreSQL and
MLflow; `adbid retrain` and the scheduler submit it through Ray's Jobs API, Kubernetes as a
RayJob. What happens is written to `training_run` as it happens, and to MLflow with the verdict.
"""

import argparse
import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import structlog
from mlflow import MlflowClient

from bidding.contract import FeatureContract
from bidding.errors import AdBidError, Conflict, InvalidRequest, StoreUnavailable
from stores.audit import Author
from stores.feature_contract import load_contract
from stores.model_registry import CTR_MODEL, CVR_MODEL
from stores.priors import read_pairs, write_priors
from stores.promotion import GATE, GATE_REASONS, PENDING, open_promotions
from stores.settings import Settings, load_settings
from stores.training_runs import RunBook
from training import dry_run, registry
from training.background import step_back
from training.dataset import Dataset
from training.fit import Fitter
from training.gate import Duel, Verdict, judge, with_dry_run, without_dry_run
from training.holdout import held_out
from training.metrics import normalized_entropy_of
from training.pipeline import train_on
from training.prior_fits import fit_history
from training.spec import TrainingSpec, load_spec
from training.tables import conversions_in, read_tables
from training.trial import (
    Champion,
    dry_run_of,
    evidence_of,
    find_champion,
    log_judged_plot,
)

log = structlog.get_logger(__name__)
Report = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one model; `note` says why one that passed was not promoted."""

    name: str
    version: str
    run_id: str
    verdict: Verdict
    rows: int
    ne: float
    champion_ne: float | None
    note: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A registered version with its verdict, and the champion that it may follow."""

    result: Result
    registered: registry.Registered
    champion: Champion


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
    parser.add_argument(
        "--no-dry-run", action="store_true", help="promote without asking a live service"
    )
    given = parser.parse_args(arguments)
    settings, spec = load_settings(), load_spec()
    if given.no_dry_run:
        spec = _without_dry_run(spec)
    step_back(spec.nightly.niceness)
    if settings.database_url is None or settings.mlflow_tracking_uri is None:
        print("DATABASE_URL and MLFLOW_TRACKING_URI are not set", file=sys.stderr)
        return 1
    book = RunBook(settings.database_url)
    run = given.submission_id
    book.write(run, status="RUNNING", started_at=datetime.now(UTC), ended_at=None, error=None)

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
        service=dry_run.service_of(settings),
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


def _without_dry_run(spec: TrainingSpec) -> TrainingSpec:
    return spec.model_copy(update={"gate": spec.gate.model_copy(update={"dry_run": False})})


def retrain(job: Job) -> list[Result]:
    """Train and judge CTR, then CVR where it can be learned; then promote what the gate let pass.

    Priors follow last, and only where the gate let the model pass: whatever stops a run before
    all is judged, serving is as it was. Raises `InvalidRequest` when there is too little history.
    """
    job.say("reading the history")
    priors = fit_history(read_pairs(job.database_url))
    since = job.now - timedelta(days=job.spec.nightly.window_days)
    tables = read_tables(job.database_url, job.spec.nightly, job.now, since)
    if not tables.impressions:
        raise InvalidRequest("there is no history in the window; import a log or report events")
    verticals = tables.verticals()
    judged = [_judged(job, CTR_MODEL, "ctr", tables.ctr_rows(job.contract), verticals)]
    clicks = tables.cvr_rows(job.contract)
    converted, not_converted = conversions_in(clicks)
    if min(converted, not_converted) >= job.spec.cvr.min_conversions:
        try:
            judged.append(_judged(job, CVR_MODEL, "cvr", clicks, verticals))
        except InvalidRequest as error:  # as many conversions, but in too few rows
            job.say(f"no CVR model: {error.detail}")
    else:
        total = converted + not_converted
        job.say(f"no CVR model: {converted} conversions of {total} mature clicks")
    results = [_promoted(job, each) for each in judged]
    write_priors(
        job.database_url, {key: priors[key] for key in priors if key[1] in _sound(results)}
    )
    return results


def _sound(results: Sequence[Result]) -> set[str]:
    """The rates whose priors serving may take over: history that gave a model which the gate
    refused is no better for priors. Without a CVR model of its own, CVR goes with CTR."""
    passed = {each.name: each.verdict.passed for each in results}
    ctr = passed[CTR_MODEL]
    return {rate for rate, sound in (("ctr", ctr), ("cvr", passed.get(CVR_MODEL, ctr))) if sound}


def _judged(job: Job, name: str, rate: str, rows: Dataset, verticals: dict[int, str]) -> Judged:
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
    champion = find_champion(job.client, name, job.contract)
    evidence = evidence_of(trained, rows.take(held), champion)
    verdict = judge(evidence, job.spec.gate)
    registered = registry.register(
        job.client,
        trained,
        job.spec,
        registry.RunNotes(tags=_tags(verdict, PENDING), files=_files(verdict)),
        crown_first=False,
    )
    log_judged_plot(job.client, registered.run_id, evidence)
    if verdict.passed:
        verdict = _tried_live(job, verdict, registered)
    _write_verdict(job, registered, verdict)
    duel = evidence.duel
    job.say(f"{name} {registered.version}: gate {verdict.word}")
    result = Result(
        name=name,
        version=registered.version,
        run_id=registered.run_id,
        verdict=verdict,
        rows=len(trained.rows),
        ne=normalized_entropy_of(duel.candidate if isinstance(duel, Duel) else evidence.candidate),
        champion_ne=normalized_entropy_of(duel.champion) if isinstance(duel, Duel) else None,
    )
    return Judged(result, registered, champion)


def _tried_live(job: Job, verdict: Verdict, registered: registry.Registered) -> Verdict:
    if not job.spec.gate.dry_run:
        return without_dry_run(verdict)
    job.say(f"dry run of {registered.name} {registered.version}")
    patience = dry_run.Patience(job.spec.gate.dry_run_waits_s)
    found = dry_run_of(job.service, registered.name, registered.version, patience)
    return with_dry_run(verdict, found, job.spec.gate)


def _fitter(job: Job, rows: Dataset) -> Fitter | None:
    """Past one machine, the cluster's workers."""
    nightly = job.spec.nightly
    if len(rows) < nightly.cluster.from_rows:
        return None
    from training.distributed import cluster_fitter  # imports Ray Train, which most runs never need

    return cluster_fitter(nightly.cluster, niceness=nightly.niceness)


def _files(verdict: Verdict) -> dict[str, str]:
    return {"gate_offline.json": json.dumps(verdict.plain(), indent=1)}


def _tags(verdict: Verdict, passed: str) -> dict[str, str]:
    """A version's tags; `passed` is the word for one that nothing speaks against."""
    word = passed if verdict.passed else verdict.word
    return {GATE: word, GATE_REASONS: json.dumps(verdict.reasons)[:4900]}


def _write_verdict(job: Job, registered: registry.Registered, verdict: Verdict) -> None:
    """To the version's tags and the run's artifacts."""
    client = job.client
    for key, value in _tags(verdict, verdict.word).items():
        client.set_model_version_tag(registered.name, registered.version, key, value)
    client.log_text(registered.run_id, json.dumps(verdict.plain(), indent=1), "gate.json")
    client.set_tag(registered.run_id, GATE, verdict.word)


def _promoted(job: Job, judged: Judged) -> Result:
    """What passed becomes champion, where the one that it was compared with still is."""
    result = judged.result
    if not result.verdict.passed:
        return result
    try:
        _promote(job, judged.registered, judged.champion)
    except Conflict as conflict:
        note = f"{conflict.detail}; not promoted"
        job.say(f"{result.name} {result.version}: {note}")
        return replace(result, note=note)
    return result


def _promote(job: Job, registered: registry.Registered, champion: Champion) -> None:
    reason = f"nightly retraining passed the gate (before: {champion.version or 'none'})"
    author = Author("nightly retraining", reason)

    async def move() -> None:
        async with open_promotions(job.settings) as (promotions, _):
            await promotions.promote(
                registered.name, registered.version, author, expected=champion.version
            )

    asyncio.run(move())


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
        + ", ".join(map(_told, results))
        + (f" ({reasons})" if reasons else ""),
    }


def _told(result: Result) -> str:
    text = f"{result.name} {result.version} {result.verdict.word}"
    return f"{text}, but {result.note}" if result.note else text


def _failed(book: RunBook, run: str, detail: str) -> int:
    print(detail, file=sys.stderr)
    book.write(run, status="FAILED", ended_at=datetime.now(UTC), error=detail[:2000])
    return 1


if __name__ == "__main__":
    sys.exit(main())
