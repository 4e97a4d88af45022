"""The fit on a cluster: the same trees by Ray Train's workers, each holding a share of the rows.

XGBoost's workers exchange histograms, so the trees are those of one machine but for rounding and
the sketch of the bins.
"""

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
import ray
import xgboost as xgb
from ray.train import Checkpoint, FailureConfig, RunConfig, ScalingConfig
from ray.train.xgboost import XGBoostTrainer

from bidding.batch import Float32s
from bidding.errors import StoreUnavailable
from bidding.pricing import Floats
from training.background import step_back
from training.dataset import Dataset
from training.fit import Fitter
from training.spec import BoosterSpec, ClusterSpec

_TOLD = 3  # outcome, weight, margin
_BATCH_ROWS = 65_536
MODEL_FILE = "model.ubj"
# A worker that dies, with its node most likely, costs its fit a new beginning.
MOST_BEGINNINGS = 3


def cluster_fitter(cluster: ClusterSpec, *, niceness: int = 0) -> Fitter:
    """A fitter that runs on workers of the cluster this process is connected to.

    To be called from the main thread. Raises `StoreUnavailable` where it takes longer than the
    cluster's `timeout_s`, as where it has no room for the workers.
    """
    threads = max(int(cluster.cpus_per_worker), 1)

    def fit(rows: Dataset, matrix: Float32s, margins: Floats, spec: BoosterSpec) -> xgb.Booster:
        with _storage(cluster) as storage, _within(cluster):
            trainer = XGBoostTrainer(
                _work,
                train_loop_config={
                    "parameters": spec.parameters() | {"nthread": threads},
                    "trees": spec.n_estimators,
                    "niceness": niceness,
                },
                scaling_config=ScalingConfig(
                    num_workers=cluster.workers,
                    resources_per_worker={"CPU": cluster.cpus_per_worker},
                ),
                datasets={"train": _shares(rows, matrix, margins, cluster.workers)},
                run_config=RunConfig(
                    storage_path=storage,
                    name=f"fit-{os.getpid()}-{id(rows)}",
                    failure_config=FailureConfig(max_failures=MOST_BEGINNINGS - 1),
                ),
            )
            result = trainer.fit()
            return _booster(result.checkpoint)

    return fit


@contextmanager
def _storage(cluster: ClusterSpec) -> Iterator[str]:
    if cluster.storage is not None:
        yield cluster.storage
        return
    with tempfile.TemporaryDirectory() as folder:
        yield folder


@contextmanager
def _within(cluster: ClusterSpec) -> Iterator[None]:
    """Ray Train waits for room without end, and its `ray.get` takes no exception of a handler but
    Ctrl-C's."""
    late = False

    def expired(number: int, frame: FrameType | None) -> None:
        nonlocal late
        late = True
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, cluster.timeout_s)
    try:
        yield
    except KeyboardInterrupt:
        if not late:
            raise
        raise StoreUnavailable(
            f"the fit on {cluster.workers} workers took longer than {cluster.timeout_s:.0f} s; "
            f"each needs {cluster.cpus_per_worker} CPUs that are free"
        ) from None
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def _work(config: dict[str, Any]) -> None:
    """One worker's share. A worker is a process of its own, so only training is niced."""
    step_back(config["niceness"])
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
    _report(xgb.train(config["parameters"], data, config["trees"]))


def _report(booster: xgb.Booster) -> None:
    """Once: a report waits until Ray Train's controller has looked, which it does every two
    seconds. Its own callback for XGBoost reports after each tree."""
    with tempfile.TemporaryDirectory() as folder:
        booster.save_model(Path(folder) / MODEL_FILE)
        first = ray.train.get_context().get_world_rank() == 0
        ray.train.report({}, checkpoint=Checkpoint.from_directory(folder) if first else None)


def _shares(rows: Dataset, matrix: Float32s, margins: Floats, workers: int) -> ray.data.Dataset:
    """One block a worker: the matrix with outcome, weight and margin as its last columns."""
    outcomes, counts, shifted = rows.outcomes, rows.counts, margins + rows.shifts
    whole = np.column_stack([matrix, outcomes, counts, shifted]).astype(np.float32)
    return ray.data.from_numpy(np.array_split(whole, workers))


def _booster(checkpoint: Checkpoint | None) -> xgb.Booster:
    if checkpoint is None:
        raise RuntimeError("the workers reported no model")
    with checkpoint.as_directory() as directory:
        booster = xgb.Booster()
        booster.load_model(Path(directory) / MODEL_FILE)
    return booster
