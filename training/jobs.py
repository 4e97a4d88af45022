"""The whole of a training by hand: read, fit the priors, fit the models, register them."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mlflow import MlflowClient

from bidding.contract import FeatureContract
from bidding.errors import InvalidRequest
from stores.priors import read_pairs, write_priors
from stores.training_rows import Window, imported_rows, reported_clicks
from training.dataset import conversions_of, dataset_of, key_of
from training.metrics import Quality
from training.pipeline import Trained, train
from training.prior_fits import fit_history
from training.registry import Registered, register
from training.spec import TrainingSpec


@dataclass(frozen=True, slots=True, eq=False)
class TrainedModel:
    """A registered model with what is known of it."""

    trained: Trained
    registered: Registered

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        held = self.trained.held_out
        return asdict(self.registered) | {
            "rows": len(self.trained.rows),
            "out_of_fold": _plain(self.trained.cross_validated),
            "held_out": None if held is None else held.plain(),
        }


@dataclass(frozen=True, slots=True, eq=False)
class Done:
    """What was trained, and what is to be said beside it."""

    models: list[TrainedModel]
    notes: list[str]


def train_all(
    client: MlflowClient, database_url: str, contract: FeatureContract, spec: TrainingSpec
) -> Done:
    """CTR from all imported impressions; CVR where enough clicks, logged or reported, converted.

    Raises `InvalidRequest` when there is no history to learn from.
    """
    write_priors(database_url, fit_history(read_pairs(database_url)))
    logged = list(imported_rows(database_url))
    mature = datetime.now(UTC) - timedelta(seconds=spec.nightly.conversions_mature_s)
    reported = list(reported_clicks(database_url, Window(until=mature)))
    tables = [*logged, *reported]
    if not tables:
        raise InvalidRequest(
            "there is nothing to train on: run `adbid import ipinyou FILE`, or"
            " `adbid import performance FILE --mapping ...` first"
        )
    verticals = {
        key_of(name): name for table in tables for name in table["vertical"].unique() if name
    }
    models, notes = [], []
    if logged:
        found = train(dataset_of(logged, contract), contract, spec, verticals=verticals)
        models.append(TrainedModel(found, register(client, found, spec)))
    else:
        notes.append("no CTR model: no impression log was imported, a report alone has no context")
    clicks = conversions_of(tables, contract)
    conversions = int((clicks.outcomes * clicks.counts).sum())
    if conversions >= spec.cvr.min_conversions:
        found = train(clicks, contract, spec, rate="cvr", verticals=verticals)
        models.append(TrainedModel(found, register(client, found, spec)))
    else:
        notes.append(
            f"no CVR model: {conversions} conversions, {spec.cvr.min_conversions} are needed"
        )
    return Done(models, notes)


def _plain(quality: Quality) -> dict[str, Any]:
    return asdict(quality)
