"""A feature's importance is that of all its columns."""

from pathlib import Path

import numpy as np
import pytest

from bidding.lookups import Linear, lookup_of
from stores.feature_contract import load_contract
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from tests.small_model import small_model
from training.dataset import Dataset, dataset_of
from training.importance import importance_of, score_shares


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    log = write_log(tmp_path_factory.mktemp("rows") / "log.csv.gz", 3_000)
    return dataset_of(file_rows(log, 5.0), load_contract())


def test_shares_are_of_the_contracts_features_and_add_up_to_one(
    rows: Dataset, tmp_path: Path
) -> None:
    shares = importance_of(small_model(tmp_path).serving, rows)
    assert sum(shares.values()) == pytest.approx(1)
    assert set(shares) <= {feature.name for feature in load_contract().features}
    assert list(shares.values()) == sorted(shares.values(), reverse=True)


def test_a_score_of_several_features_counts_for_each_by_how_much_it_moves_the_score(
    rows: Dataset,
) -> None:
    devices = np.unique(rows.columns["device_type"]).astype(int).tolist()
    brands = np.unique(rows.columns["brand"]).astype(int).tolist()
    of_brand = {code: 1.0 + number for number, code in enumerate(brands)}
    of_device = {code: -0.5 * number for number, code in enumerate(devices)}
    score = Linear(
        columns={
            "brand": lookup_of(brands, list(of_brand.values())),
            "device_type": lookup_of(devices, list(of_device.values())),
        }
    )
    brand = np.var([of_brand[int(code)] for code in rows.columns["brand"]])
    device = np.var([of_device[int(code)] for code in rows.columns["device_type"]])
    assert brand > 0 < device
    assert score_shares(score, rows) == pytest.approx(
        {"brand": brand / (brand + device), "device_type": device / (brand + device)}
    )


def test_segments_count_together_however_many_there_are(rows: Dataset) -> None:
    segments = np.unique(rows.segments).tolist()
    weights = np.random.default_rng(2).normal(0, 1, len(segments)).tolist()
    score = Linear(segments=lookup_of(segments, weights))
    assert score_shares(score, rows) == {"segments": 1.0}
