"""A candidate's trial: evidence against the champion, and the dry run in the live graph."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from bidding.contract import FeatureContract
from bidding.errors import ModelRefused, NotFound
from stores.model_files import ServingModel
from stores.model_registry import CHAMPION
from training import dry_run, plots, registry
from training.dataset import Dataset
from training.gate import NO_SERVICE, DryRun, Duel, Evidence, NoDuel
from training.importance import importance_of
from training.judge import Judge
from training.metrics import Judged, reliability
from training.pipeline import Trained

JUDGED_PLOT = "gate_reliability.png"
NO_CHAMPION = NoDuel("there is no champion to compare with", holds=True)


@dataclass(frozen=True, slots=True, eq=False)
class Champion:
    """The version that the alias points at (None: nowhere), and what it is judged with: its
    `Judge`, or why it can't be compared."""

    version: str | None
    judge: Judge | NoDuel


def find_champion(client: MlflowClient, name: str, contract: FeatureContract) -> Champion:
    """Raises `StoreUnavailable` where MLflow does not tell.

    A champion that is there but can't be read fails the gate: a person must look at it. One of
    another feature contract does not, as no replica serves it.
    """
    version = registry.champion_of(client, name)
    if version is None:
        return Champion(None, NO_CHAMPION)
    try:
        found = registry.fetch(client, registry.Wanted(name, CHAMPION, version))
    except (NotFound, ModelRefused) as error:
        return Champion(version, NoDuel(f"{name} {version} can't be read: {error.detail}", False))
    if found.model.contract_hash != contract.hash:
        reason = f"champion {version} was trained for another feature contract, so none serves"
        return Champion(version, NoDuel(reason, holds=True))
    return Champion(version, found)


def evidence_of(trained: Trained, rows: Dataset, champion: Champion) -> Evidence:
    """Predictions on today's posteriors: the candidate's on all held out rows, and both models' on
    those that neither was trained on."""
    return Evidence(
        candidate=_judged(trained, rows, trained.fitted.serving),
        duel=_duel(trained, rows, champion.judge),
        groups={kind: rows.groups[kind] for kind in ("vertical", "device_type")},
        importance=importance_of(trained.fitted.serving, trained.rows),
    )


def _duel(trained: Trained, rows: Dataset, champion: Judge | NoDuel) -> Duel | NoDuel:
    if isinstance(champion, NoDuel):
        return champion
    common = rows.take(~np.isin(rows.row_keys, champion.trained))
    if not common.outcomes.sum() > 0:
        return NoDuel("the champion was trained on nearly all of these rows", holds=True)
    return Duel(
        _judged(trained, common, trained.fitted.serving), _judged(trained, common, champion.model)
    )


def _judged(trained: Trained, rows: Dataset, model: ServingModel) -> Judged:
    rates = trained.judge.history.rates(rows)
    predicted = model.predict(rows.batch(trained.contract, rates), rates.pair.astype(np.float32))
    return Judged(rows.outcomes, predicted.astype(np.float64), rows.weights * rows.counts)


def log_judged_plot(client: MlflowClient, run_id: str, evidence: Evidence) -> None:
    """Predicted against actual rates on the rows that the gate judges on, into the run's plots; the
    champion's on those of them that it has not seen either."""
    judged = {"candidate": evidence.candidate}
    if isinstance(evidence.duel, Duel):
        judged["champion"] = evidence.duel.champion
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / JUDGED_PLOT
        plots.plot_reliability({name: reliability(rows) for name, rows in judged.items()}, path)
        client.log_artifact(run_id, str(path), "plots")


def dry_run_of(
    service: dry_run.Service | None, name: str, version: str, patience: dry_run.Patience
) -> DryRun:
    """What the live graph makes of a version. Raises `StoreUnavailable` where it does not tell:
    that is no fault of the version's."""
    return NO_SERVICE if service is None else dry_run.run(service, name, version, patience)
