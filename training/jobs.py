"""The whole of a training by hand: read, fit the priors, fit the models, register them."""

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from mlflow import MlflowClient

from bidding.contract import FeatureContract
from bidding.errors import InvalidRequest
from stores.priors import read_pairs, write_priors
from training.metrics import Quality
from training.pipeline import Trained, train
from training.prior_fits import fit_history
from training.registry import Registered, register
from training.spec import TrainingSpec
from training.tables import conversions_in, read_tables


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
    """CTR from all impressions, imported or served; CVR where enough clicks converted, of these
    and of reports.

    Raises `InvalidRequest` when there is no history to learn from.
    """
    write_priors(database_url, fit_history(read_pairs(database_url)))
    tables = read_tables(database_url, spec.nightly, datetime.now(UTC))
    if not tables.impressions and not tables.reported:
        raise InvalidRequest(
            "there is nothing to train on: run `adbid import ipinyou FILE`, or"
            " `adbid import performance FILE --mapping ...` first"
        )
    verticals = tables.verticals()
    models, notes = [], []
    if tables.impressions:
        found = train(tables.ctr_rows(contract), contract, spec, verticals=verticals)
        models.append(TrainedModel(found, register(client, found, spec)))
    else:
        notes.append("no CTR model: no impression log was imported, a report alone has no context")
    clicks = tables.cvr_rows(contract)
    conversions, _ = conversions_in(clicks)
    if conversions >= spec.cvr.min_conversions:
        try:
            found = train(clicks, contract, spec, rate="cvr", verticals=verticals)
        except InvalidRequest as error:  # as many conversions, but in too few rows
            notes.append(f"no CVR model: {error.detail}")
        else:
            models.append(TrainedModel(found, register(client, found, spec)))
    else:
        notes.append(
            f"no CVR model: {conversions} conversions, {spec.cvr.min_conversions} are needed"
        )
    return Done(models, notes)


def _plain(quality: Quality) -> dict[str, Any]:
    return asdict(quality)
