"""The direct way into XGBoost gives what `inplace_predict` gives."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import xgboost as xgb

from bidding.batch import Float32s
from stores.direct_predict import predict

COLUMNS = 6


@pytest.fixture(scope="module")
def booster() -> xgb.Booster:
    rng = np.random.default_rng(1)
    rows = rng.random((2_000, COLUMNS)).astype(np.float32)
    clicked = rng.random(2_000) < rows[:, 0] * rows[:, 1]
    settings = {"objective": "binary:logistic", "max_depth": 5, "nthread": 1}
    return xgb.train(settings, xgb.DMatrix(rows, clicked), 30)


def rows_of(seed: int, rows: int) -> tuple[Float32s, Float32s]:
    """Rows with some values missing, and what each starts from."""
    rng = np.random.default_rng(seed)
    matrix = rng.random((rows, COLUMNS)).astype(np.float32)
    matrix[rng.random(matrix.shape) < 0.1] = np.nan
    return matrix, rng.normal(-3, 1, rows).astype(np.float32)


def by_xgboost(booster: xgb.Booster, matrix: Float32s, margin: Float32s) -> Float32s:
    found: Float32s = booster.inplace_predict(matrix, base_margin=margin)
    return found


@pytest.mark.parametrize("rows", [0, 1, 2, 64, 65, 1_000])
def test_same_numbers(booster: xgb.Booster, rows: int) -> None:
    matrix, margin = rows_of(rows, rows)

    found = predict(booster, matrix, margin)

    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, by_xgboost(booster, matrix, margin))


def test_strided_rows_and_wider_numbers_are_read_as_they_are(booster: xgb.Booster) -> None:
    matrix, margin = rows_of(7, 100)
    wide = np.repeat(matrix, 2, axis=1)

    found = predict(booster, wide[::2, ::2], margin[::2].astype(np.float64))

    np.testing.assert_array_equal(found, by_xgboost(booster, matrix[::2], margin[::2]))


def test_an_answer_is_its_own(booster: xgb.Booster) -> None:
    matrix, margin = rows_of(8, 50)
    first = predict(booster, matrix, margin)
    kept = first.copy()

    predict(booster, *rows_of(9, 50))

    np.testing.assert_array_equal(first, kept)


@pytest.mark.parametrize("columns", [COLUMNS - 1, COLUMNS + 1])
def test_rows_of_another_width_are_refused(booster: xgb.Booster, columns: int) -> None:
    with pytest.raises(xgb.core.XGBoostError, match="n_features"):
        predict(booster, np.zeros((3, columns), np.float32), np.zeros(3, np.float32))


def test_margins_of_another_length_are_refused(booster: xgb.Booster) -> None:
    with pytest.raises(xgb.core.XGBoostError):
        predict(booster, np.zeros((3, COLUMNS), np.float32), np.zeros(2, np.float32))


def test_a_booster_of_several_outputs_is_refused() -> None:
    rows = np.random.default_rng(2).random((60, COLUMNS)).astype(np.float32)
    settings = {"objective": "multi:softprob", "num_class": 3, "nthread": 1}
    booster = xgb.train(settings, xgb.DMatrix(rows, np.arange(60) % 3), 2)

    with pytest.raises(xgb.core.XGBoostError, match="base_margin"):
        predict(booster, rows, np.zeros(60, np.float32))


def test_threads_do_not_mix_their_rows(booster: xgb.Booster) -> None:
    asked = [rows_of(seed, 40 + seed) for seed in range(64)]

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda each: predict(booster, *each), asked))

    for answer, (matrix, margin) in zip(found, asked, strict=True):
        np.testing.assert_array_equal(answer, by_xgboost(booster, matrix, margin))
