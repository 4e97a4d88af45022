"""The fit on a cluster: the same trees by Ray Train's workers, each holding a share of the rows.

XGBoost's workers exchange histograms, so the trees are those of one machine but for rounding and
the sketch of the bins.
"""

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import ray
import xgboost as xgb
from ray.train import Checkpoint, RunConfig, ScalingConfig
from ray.train.xgboost import RayTrainReportCallback, XGBoostTrainer

from bidding.batch import Float32s
from bidding.pricing import Floats
from training.dataset import Dataset
from training.fit import Fitter
from training.spec import BoosterSpec

_TOLD = 3  # outcome, weight, margin
_BATCH_ROWS = 65_536


def cluster_fitter(workers: int, *, cpus_per_worker: float = 1.0) -> Fitter:
    """A fitter that runs on `workers` of the cluster this process is connected to."""

    def fit(rows: Dataset, matrix: Float32s, margins: Floats, spec: BoosterSpec) -> xgb.Booster:
        with tempfile.TemporaryDirectory() as storage:
            trainer = XGBoostTrainer(
                _work,
                train_loop_config={
                    "parameters": spec.parameters() | {"nthread": max(int(cpus_per_worker), 1)},
                    "trees": spec.n_estimators,
                },
                scaling_config=ScalingConfig(
                    num_workers=workers, resources_per_worker={"CPU": cpus_per_worker}
                ),
                datasets={"train": _shares(rows, matrix, margins, workers)},
                run_config=RunConfig(storage_path=storage, name="fit"),
            )
            result = trainer.fit()
            return _booster(result.checkpoint)

    return fit


def _work(config: dict[str, Any]) -> None:
    """One worker's share."""
    shard = ray.train.get_dataset_shard("train")
    batches = shard.iter_batches(batch_size=_BATCH_ROWS, batch_format="numpy")
    whole = np.concatenate([batch["data"] for batch in batches])
    data = xgb.DMatrix(
        whole[:, :-_TOLD],
        whole[:, -3],
        weight=whole[:, -2],
        base_margin=whole[:, -1],
        nthread=config["parameters"]["nthread"],
    )
    xgb.train(
        config["parameters"],
        data,
        config["trees"],
        callbacks=[RayTrainReportCallback(frequency=0, checkpoint_at_end=True)],
    )


def _shares(rows: Dataset, matrix: Float32s, margins: Floats, workers: int) -> ray.data.Dataset:
    """One block a worker: the matrix with outcome, weight and margin as its last columns."""
    outcomes, counts, shifted = rows.outcomes, rows.counts, margins + rows.shifts
    whole = np.column_stack([matrix, outcomes, counts, shifted]).astype(np.float32)
    return ray.data.from_numpy(np.array_split(whole, workers))


def _booster(checkpoint: Checkpoint | None) -> xgb.Booster:
    if checkpoint is None:
        raise RuntimeError("the workers reported no model")
    with checkpoint.as_directory() as directory:
        path = Path(directory) / RayTrainReportCallback.CHECKPOINT_NAME
        booster = xgb.Booster()
        booster.load_model(path)
    return booster
