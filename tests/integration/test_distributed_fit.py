"""The fit over Ray Train's workers: the quality of one machine."""

from collections.abc import Iterator

import numpy as np
import pytest
import ray
import xgboost as xgb

from bidding.errors import StoreUnavailable
from stores.feature_contract import load_contract
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from training.dataset import dataset_of
from training.distributed import cluster_fitter
from training.fit import fit_booster
from training.metrics import Judged, quality_of
from training.spec import ClusterSpec, load_spec

pytestmark = pytest.mark.timeout(280)


@pytest.fixture
def ray_cluster() -> Iterator[None]:
    ray.init(num_cpus=3, include_dashboard=False, log_to_driver=False)
    yield
    ray.shutdown()


def test_two_workers_fit_as_well_as_one_process(
    ray_cluster: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_log(tmp_path_factory.mktemp("log") / "log.csv.gz", 4_000)
    rows = dataset_of(file_rows(path), load_contract())
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(len(rows), 8)).astype(np.float32)
    matrix[:, 0] += 2 * rows.outcomes
    margins = np.full(len(rows), -2.0)
    spec = load_spec().booster.model_copy(
        update={"n_estimators": 20, "subsample": 1.0, "colsample_bytree": 1.0}
    )
    one = fit_booster(rows, matrix, margins, spec)
    storage = tmp_path_factory.mktemp("shared")
    cluster = ClusterSpec(workers=2, cpus_per_worker=0.5, storage=str(storage))
    two = cluster_fitter(cluster, niceness=5)(rows, matrix, margins, spec)
    assert list(storage.iterdir())
    assert two.num_boosted_rounds() == one.num_boosted_rounds() == 20

    def entropy(booster: xgb.Booster) -> float:
        predicted = booster.predict(xgb.DMatrix(matrix, base_margin=margins))
        judged = Judged(rows.outcomes, predicted.astype(np.float64), rows.weights)
        return quality_of(judged).normalized_entropy.value

    assert entropy(two) == pytest.approx(entropy(one), rel=0.02)


def test_a_cluster_without_room_fails_the_fit_in_time(
    ray_cluster: None, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = write_log(tmp_path_factory.mktemp("log") / "log.csv.gz", 200)
    rows = dataset_of(file_rows(path), load_contract())
    matrix, margins = np.ones((len(rows), 2), np.float32), np.zeros(len(rows))
    cluster = ClusterSpec(workers=2, cpus_per_worker=50, timeout_s=15)
    with pytest.raises(StoreUnavailable, match="took longer than 15 s"):
        cluster_fitter(cluster)(rows, matrix, margins, load_spec().booster)
