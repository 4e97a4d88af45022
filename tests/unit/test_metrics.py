import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from training.metrics import Judged, entropy, quality_of, reliability


def some_rows(n: int = 3_000) -> Judged:
    rng = np.random.default_rng(3)
    predicted = np.round(rng.beta(2, 20, n), 2).clip(0.001, 0.999)  # rounded: with ties
    outcomes = (rng.random(n) < predicted).astype(float)
    return Judged(outcomes, predicted, np.where(outcomes == 1, 1.0, 7.0))


def test_figures_agree_with_scikit_learn_on_weighted_rows() -> None:
    rows = some_rows()
    found = quality_of(rows)
    assert found.auc.value == pytest.approx(
        roc_auc_score(rows.outcomes, rows.predicted, sample_weight=rows.weights)
    )
    assert found.log_loss.value == pytest.approx(
        log_loss(rows.outcomes, rows.predicted, sample_weight=rows.weights)
    )


def test_the_best_constant_has_a_normalized_entropy_and_a_ratio_of_one() -> None:
    rows = some_rows()
    rate = (rows.outcomes * rows.weights).sum() / rows.weights.sum()
    found = quality_of(Judged(rows.outcomes, np.full(len(rows.outcomes), rate), rows.weights))
    assert found.normalized_entropy.value == pytest.approx(1.0)
    assert found.ratio.value == pytest.approx(1.0)
    assert found.auc.value == 0.5


def test_intervals_hold_the_value_and_narrow_with_more_rows() -> None:
    few, many = quality_of(some_rows(500)), quality_of(some_rows(8_000))
    for quality in (few, many):
        for figure in (quality.auc, quality.log_loss, quality.ratio):
            assert figure.low <= figure.value <= figure.high
    assert many.auc.high - many.auc.low < few.auc.high - few.auc.low


def test_what_cannot_be_told_is_not_a_number() -> None:
    nobody_clicked = Judged(np.zeros(60), np.full(60, 0.1), np.ones(60))
    found = quality_of(nobody_clicked)
    assert np.isnan(found.auc.value)
    assert np.isnan(found.ratio.value)
    assert np.isnan(entropy(0.0))


def test_reliability_bins_hold_every_row_and_rise() -> None:
    rows = some_rows()
    bins = reliability(rows, 10)
    assert sum(each.rows for each in bins) == len(rows.outcomes)
    assert [each.predicted for each in bins] == sorted(each.predicted for each in bins)
