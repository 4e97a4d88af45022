"""Into MLflow and back: runs, plots, registered versions, and what judges them.

A version is an XGBoost-flavor model (UBJ) with our files beside the booster; its run keeps the
judge. The first version of a name becomes its champion.
"""

import json
import logging
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.types.schema import ColSpec, Schema
from mlflow.xgboost import save_model

from bidding.errors import InvalidRequest, NotFound, StoreUnavailable
from stores import model_files
from stores.model_files import ServingModel
from stores.model_registry import CHAMPION
from training import plots
from training.importance import importance_of
from training.judge import Judge, load_judge
from training.metrics import Judged, figure_names, reliability
from training.pipeline import Trained
from training.spec import TrainingSpec

EXPERIMENT = "adbid"
JUDGE = "judge"
RELIABILITY = "reliability.json"
_PAGE = 200


@dataclass(frozen=True, slots=True)
class Registered:
    """A new version, the run that made it, and whether it became champion at once."""

    name: str
    version: str
    run_id: str
    champion: bool


@dataclass(frozen=True, slots=True)
class Wanted:
    """A model as commands name it: `adbid-ctr@champion`, `adbid-ctr/3`, or `adbid-ctr`."""

    name: str
    alias: str | None = CHAMPION
    version: str | None = None


@dataclass(frozen=True, slots=True)
class RunNotes:
    """What else a run keeps: tags of the version, figures, and files as text by name."""

    tags: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)


def connect(tracking_uri: str) -> mlflow.MlflowClient:
    """A client of that server, which becomes the process's own."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")
    mlflow.set_tracking_uri(tracking_uri)
    mlflow.set_registry_uri(tracking_uri)
    return mlflow.MlflowClient()


def wanted_of(text: str) -> Wanted:
    """Parse a model's name. Raises `InvalidRequest`."""
    if "/" in text:
        name, _, version = text.partition("/")
        if not version.isdigit():
            raise InvalidRequest(f"{text!r} is no model: write NAME/VERSION or NAME@ALIAS")
        return Wanted(name, None, version)
    name, _, alias = text.partition("@")
    return Wanted(name, alias or CHAMPION)


def register(
    client: mlflow.MlflowClient,
    trained: Trained,
    spec: TrainingSpec,
    notes: RunNotes | None = None,
    *,
    crown_first: bool = True,
) -> Registered:
    """Log the run and register its model."""
    notes = notes or RunNotes()
    model = trained.fitted.serving
    with _reachable(), tempfile.TemporaryDirectory() as scratch:
        mlflow.set_experiment(EXPERIMENT)
        with mlflow.start_run(run_name=f"{model.name} train") as run:
            mlflow.log_params(_params(spec, trained))
            mlflow.log_metrics(_metrics(trained) | dict(notes.metrics))
            for name, text in notes.files.items():
                mlflow.log_text(text, name)
            _log_pictures(trained, Path(scratch))
            trained.judge.save(Path(scratch) / JUDGE, trained.rows, trained.contract)
            mlflow.log_artifacts(str(Path(scratch) / JUDGE), JUDGE)
            source, model_id = _upload(client, trained, Path(scratch) / "model", run.info)
        version = _create_version(client, model, source, model_id, run.info.run_id, notes.tags)
        first = crown_first and champion_of(client, model.name) is None
        if first:
            client.set_registered_model_alias(model.name, CHAMPION, version)
    return Registered(model.name, version, run.info.run_id, first)


def champion_of(client: mlflow.MlflowClient, name: str) -> str | None:
    """The champion's version, None where there is none. Raises `StoreUnavailable`."""
    with _reachable():
        try:
            return str(client.get_model_version_by_alias(name, CHAMPION).version)
        except MlflowException as error:
            if error.error_code in {"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"}:
                return None
            raise


def fetch(client: mlflow.MlflowClient, wanted: Wanted) -> Judge:
    """A registered model with its judge. Raises `NotFound`, `ModelRefused`."""
    with _reachable(), tempfile.TemporaryDirectory() as scratch:
        try:
            if wanted.version is not None:
                found = client.get_model_version(wanted.name, wanted.version)
            else:
                found = client.get_model_version_by_alias(wanted.name, wanted.alias or CHAMPION)
            files = mlflow.artifacts.download_artifacts(
                f"models:/{wanted.name}/{found.version}", dst_path=str(Path(scratch) / "model")
            )
            judge = mlflow.artifacts.download_artifacts(
                run_id=found.run_id, artifact_path=JUDGE, dst_path=str(Path(scratch) / "run")
            )
        except MlflowException as error:
            raise _absent(wanted, error) from error
        model = model_files.load(Path(files), name=wanted.name, version=str(found.version))
        return load_judge(model, Path(judge))


def _absent(wanted: Wanted, error: MlflowException) -> Exception:
    if "Max retries" in str(error) or "Connection" in str(error):
        return StoreUnavailable(f"MLflow does not answer: {str(error)[:200]}")
    which = f"version {wanted.version}" if wanted.version else f"alias {wanted.alias}"
    return NotFound(f"MLflow has no model {wanted.name} with {which}: run `adbid train` first")


@contextmanager
def _reachable() -> Iterator[None]:
    """MLflow out of reach is a sentence, not a traceback."""
    try:
        yield
    except MlflowException as error:
        if "Max retries" in str(error) or "Connection" in str(error):
            raise StoreUnavailable(f"MLflow does not answer: {str(error)[:200]}") from error
        raise


def _params(spec: TrainingSpec, trained: Trained) -> dict[str, Any]:
    return {
        **spec.booster.model_dump(),
        **{f"split_{name}": value for name, value in spec.split.model_dump().items()},
        "rows": len(trained.rows),
        "outcomes": int(trained.rows.outcomes.sum()),
        "columns": len(trained.fitted.serving.encoder.names),
        "intercept": trained.fitted.serving.intercept,
    }


def _metrics(trained: Trained) -> dict[str, float]:
    found = {"rate": trained.rows.rate}
    qualities = {"cv": trained.cross_validated}
    if trained.held_out is not None:
        qualities["holdout"] = trained.held_out.model
        qualities |= {f"baseline_{n}": q for n, q in trained.held_out.baselines.items()}
    for prefix, quality in qualities.items():
        for name in figure_names():
            found[f"{prefix}_{name}"] = getattr(quality, name).value
    shares = importance_of(trained.fitted.serving, trained.rows)
    found["largest_importance"] = max(shares.values(), default=0.0)
    return {name: value for name, value in found.items() if np.isfinite(value)}


def _log_pictures(trained: Trained, scratch: Path) -> None:
    rows = trained.rows
    weights = rows.weights * rows.counts
    fitted = trained.fitted
    curves = {
        name: reliability(Judged(rows.outcomes, predicted, weights))
        for name, predicted in (("model", fitted.predicted), ("posterior", fitted.posterior))
    }
    shares = importance_of(fitted.serving, rows)
    plots.plot_reliability(dict(curves), scratch / "reliability.png")
    plots.plot_importance(shares, scratch / "importance.png")
    mlflow.log_artifact(str(scratch / "reliability.png"), "plots")
    mlflow.log_artifact(str(scratch / "importance.png"), "plots")
    mlflow.log_dict(
        {"bins": [asdict(each) for each in curves["model"]], "by": "out-of-fold predictions"},
        RELIABILITY,
    )
    mlflow.log_dict(shares, "importance.json")
    if trained.held_out is not None:
        mlflow.log_text(json.dumps(trained.held_out.plain(), indent=1), "holdout.json")


def _upload(
    client: mlflow.MlflowClient, trained: Trained, directory: Path, run: Any
) -> tuple[str, str]:
    """The model's files as a logged model of the run: its source and id."""
    model = trained.fitted.serving
    columns = [ColSpec("double", name, required=False) for name in model.encoder.names]
    save_model(
        model.booster,
        str(directory),
        signature=ModelSignature(Schema(columns), Schema([ColSpec("double")])),
        model_format="ubj",
        pip_requirements=[f"{_distribution()}=={installed(_distribution())}"],
    )
    model_files.save(directory, model, trained.fitted.golden)
    logged = client.create_logged_model(
        run.experiment_id, name=model.name, source_run_id=run.run_id, model_type="xgboost"
    )
    client.log_model_artifacts(logged.model_id, str(directory))
    client.finalize_logged_model(logged.model_id, "READY")
    return f"models:/{logged.model_id}", str(logged.model_id)


def _distribution() -> str:
    """XGBoost's CPU build has a name of its own."""
    try:
        installed("xgboost-cpu")
    except ImportError:
        return "xgboost"
    return "xgboost-cpu"


def _create_version(
    client: mlflow.MlflowClient,
    model: ServingModel,
    source: str,
    model_id: str,
    run_id: str,
    tags: Mapping[str, str],
) -> str:
    try:
        client.create_registered_model(model.name)
    except MlflowException as error:
        if error.error_code != "RESOURCE_ALREADY_EXISTS":
            raise
    facts = {name: str(value) for name, value in model.facts.items()}
    created = client.create_model_version(
        model.name,
        source,
        run_id=run_id,
        model_id=model_id,
        tags={"contract_hash": model.contract_hash} | facts | dict(tags),
    )
    return str(created.version)
