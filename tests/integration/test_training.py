"""From a generated log to a model: what is learned, and that nothing is learned from itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.special import logit

from bidding.errors import InvalidRequest, ModelRefused
from stores import model_files
from stores.feature_contract import load_contract
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from training.dataset import Dataset, dataset_of
from training.evaluate import evaluate, unseen
from training.importance import importance_of
from training.judge import HISTORY, load_judge
from training.metrics import Judged, reliability
from training.pipeline import Trained, train
from training.plots import plot_importance, plot_reliability
from training.spec import TrainingSpec, load_spec
from training.split import fold_of, split_of

WEIGHT = 5.0


def quick() -> TrainingSpec:
    spec = load_spec()
    booster = spec.booster.model_copy(update={"n_estimators": 40, "learning_rate": 0.1})
    return spec.model_copy(update={"booster": booster})


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    path = write_log(tmp_path_factory.mktemp("log") / "log.csv.gz", 12_000)
    return dataset_of(file_rows(path, WEIGHT), load_contract())


@pytest.fixture(scope="module")
def trained(rows: Dataset) -> Trained:
    return train(rows, load_contract(), quick())


def test_rows_know_what_they_stand_for(rows: Dataset) -> None:
    assert set(rows.weights[rows.outcomes == 1]) == {1.0}
    assert set(rows.weights[rows.outcomes == 0]) == {WEIGHT}
    assert rows.shifts == pytest.approx(np.log(WEIGHT))
    assert len(rows.segments) == rows.segment_offsets[-1]


def test_the_split_is_stable_and_folds_are_independent_of_it(rows: Dataset) -> None:
    held = split_of(rows.row_keys, 0.2)
    assert 0.17 < held.mean() < 0.23
    assert (split_of(rows.row_keys[::-1], 0.2)[::-1] == held).all()
    folds = fold_of(rows.row_keys, 10, 0)
    assert np.bincount(folds[held], minlength=10).min() > 0


def test_the_model_beats_what_knows_no_context(trained: Trained) -> None:
    held = trained.held_out
    assert held is not None
    entropy = held.model.normalized_entropy.value
    for rival in ("constant", "beta_3_97", "fitted_posterior"):
        assert entropy < held.baselines[rival].normalized_entropy.value
    assert held.model.auc.value > held.baselines["fitted_posterior"].auc.value + 0.03
    assert 0.8 < held.model.ratio.value < 1.2


def test_out_of_fold_rates_do_not_know_their_own_row(rows: Dataset, trained: Trained) -> None:
    """Flipping one row's outcome must not move that row's own out-of-fold posterior."""
    seen = trained.rows
    flipped = seen.outcomes.copy()
    flipped[0] = 1 - flipped[0]
    again = train(replace(seen, outcomes=flipped), load_contract(), quick_without_holdout())
    before = train(seen, load_contract(), quick_without_holdout())
    own = abs(logit(again.fitted.posterior[0]) - logit(before.fitted.posterior[0]))
    prior = abs(logit(again.fitted.priors[""].mean) - logit(before.fitted.priors[""].mean))
    assert own <= prior + 1e-9  # only the overall prior, of thousands of rows, may move


def quick_without_holdout() -> TrainingSpec:
    spec = quick()
    booster = spec.booster.model_copy(update={"n_estimators": 2})
    split = spec.split.model_copy(update={"holdout": 0.0})
    return spec.model_copy(update={"booster": booster, "split": split})


def test_a_saved_judge_judges_alike_and_leaves_training_rows_out(
    rows: Dataset, trained: Trained, tmp_path: Path
) -> None:
    contract = load_contract()
    model_files.save(tmp_path / "model", trained.fitted.serving, trained.fitted.golden)
    trained.judge.save(tmp_path / "judge", trained.rows, contract)
    model = model_files.load(tmp_path / "model", name="adbid-ctr", version="1")
    judge = load_judge(model, tmp_path / "judge")
    new = unseen(rows, judge)
    assert len(new) == len(rows) - len(trained.rows)
    found = evaluate(new, judge, contract, len(trained.rows))
    assert trained.held_out is not None
    assert found.model.auc.value == pytest.approx(trained.held_out.model.auc.value, abs=1e-6)
    assert set(found.plain()) == {"name", "version", "left_out", "model", "baselines", "groups"}
    np.savez(tmp_path / "judge" / HISTORY, slot_keys=np.array([1, "of a release before"], object))
    with pytest.raises(ModelRefused, match="what judges it can't be read"):
        load_judge(model, tmp_path / "judge")


def test_too_few_outcomes_are_refused_with_a_reason(rows: Dataset) -> None:
    few = rows.take(np.arange(len(rows)) < 30)
    with pytest.raises(InvalidRequest, match="can't train"):
        train(few, load_contract(), quick())


def test_pictures_are_drawn(trained: Trained, tmp_path: Path) -> None:
    shares = importance_of(trained.fitted.serving, trained.rows)
    assert sum(shares.values()) == pytest.approx(1.0)
    plot_importance(shares, tmp_path / "importance.png")
    rows = trained.rows
    bins = reliability(Judged(rows.outcomes, trained.fitted.predicted, rows.weights))
    plot_reliability({"model": bins}, tmp_path / "reliability.png")
    assert (tmp_path / "reliability.png").stat().st_size > 5_000
