"""A small model that passes every check, and its golden rows."""

from pathlib import Path

from stores.feature_contract import load_contract
from stores.model_files import save
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from training.dataset import dataset_of
from training.fit import FittedModel
from training.pipeline import train
from training.spec import load_spec


def small_model(folder: Path, trees: int = 5) -> FittedModel:
    """Its files are in `folder / "good"`."""
    rows = dataset_of(file_rows(write_log(folder / "log.csv.gz", 3_000), 5.0), load_contract())
    spec = load_spec()
    booster = spec.booster.model_copy(update={"n_estimators": trees, "max_depth": 3})
    fitted = train(rows, load_contract(), spec.model_copy(update={"booster": booster})).fitted
    save(folder / "good", fitted.serving, fitted.golden)
    return fitted
