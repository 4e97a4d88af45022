"""Broken and malicious model files: refused, or fatal only to the process that proves them.

What a mutated file does to the parser (a crash, a hang, too much memory) it does in a child; what
passes there must also serve.
"""

import json
import selectors
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bidding.batch import ScoreBatch
from bidding.encoder import Encoder
from bidding.errors import ModelRefused
from stores.feature_contract import load_contract
from stores.model_check import prove
from stores.model_files import BOOSTER, GOLDEN, ServingModel, load, save
from stores.model_trees import check_trees, problem_of
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from training.dataset import dataset_of
from training.pipeline import train
from training.spec import load_spec

HANGS_AFTER_S = 20.0


class Child:
    """A process that proves files; a new one after a crash or a hang."""

    def __init__(self) -> None:
        self.ends: Counter[str] = Counter()
        self._process = self._spawn()

    def prove(self, directory: Path) -> str:
        """ "passed", "refused", "crashed" or "hung"."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{directory}\n")
        self._process.stdin.flush()
        said = self._answer()
        self.ends[said] += 1
        if said in ("crashed", "hung"):
            self.close()
            self._process = self._spawn()
        return said

    def _answer(self) -> str:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as waiting:
            waiting.register(self._process.stdout, selectors.EVENT_READ)
            if not waiting.select(HANGS_AFTER_S):
                return "hung"
        return (self._process.stdout.readline().split() or ["crashed"])[0]

    def close(self) -> None:
        self._process.kill()
        self._process.wait()

    def _spawn(self) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.model_fuzz_child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        return process


@pytest.fixture(scope="module")
def child() -> Iterator[Child]:
    found = Child()
    yield found
    found.close()
    print(dict(found.ends))


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model that passes every check."""
    folder = tmp_path_factory.mktemp("model")
    rows = dataset_of(file_rows(write_log(folder / "log.csv.gz", 3_000), 5.0), load_contract())
    spec = load_spec()
    booster = spec.booster.model_copy(update={"n_estimators": 5, "max_depth": 3})
    fitted = train(rows, load_contract(), spec.model_copy(update={"booster": booster})).fitted
    save(folder / "good", fitted.serving, fitted.golden)
    return folder / "good"


def broken(good: Path, tmp: Path, booster: bytes) -> Path:
    """A copy of the good model with this booster."""
    target = tmp / "broken"
    shutil.rmtree(target, ignore_errors=True)
    shutil.copytree(good, target)
    (target / BOOSTER).write_bytes(booster)
    return target


def test_the_good_one_passes(good: Path, child: Child) -> None:
    check_trees(good / BOOSTER)
    assert child.prove(good) == "passed"


@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_no_mutated_booster_harms_more_than_the_process_that_proves_it(
    good: Path, child: Child, tmp_path: Path, data: st.DataObject
) -> None:
    found = bytearray((good / BOOSTER).read_bytes())
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(found) - 1))
        how = data.draw(st.sampled_from(["flip", "cut", "insert", "number"]))
        if how == "flip":
            found[at] = data.draw(st.integers(0, 255))
        elif how == "cut":
            del found[at : at + data.draw(st.integers(1, 200))]
        elif how == "insert":
            found[at:at] = data.draw(st.binary(min_size=1, max_size=50))
        else:
            found[at : at + 8] = data.draw(st.integers(-(2**63), 2**63 - 1)).to_bytes(
                8, "big", signed=True
            )
        if not found:
            break
    if child.prove(broken(good, tmp_path, bytes(found))) in ("passed", "refused"):
        return
    assert child.prove(good) == "passed"


def with_tree(good: Path, **changes: Any) -> bytes:
    """The good booster with the first tree's arrays changed at the index given."""
    booster = xgb.Booster(model_file=good / BOOSTER)
    document = json.loads(booster.save_raw(raw_format="json"))
    tree = document["learner"]["gradient_booster"]["model"]["trees"][0]
    for name, (index, value) in changes.items():
        tree[name][index] = value
    return json.dumps(document).encode()


@pytest.mark.parametrize(
    "changes",
    [
        {"left_children": (0, 0)},
        {"left_children": (0, 2)},
        {"left_children": (0, 10**6)},
        {"left_children": (0, -5)},
        {"right_children": (0, -1)},
        {"left_children": (1, 0), "right_children": (1, 0)},
        {"split_indices": (0, 10**6)},
        {"split_indices": (0, -3)},
    ],
    ids=str,
)
def test_a_tree_that_is_none_is_not_served(
    good: Path, child: Child, tmp_path: Path, changes: dict[str, Any]
) -> None:
    """As JSON under the UBJ name, and as XGBoost would write it as UBJ."""
    assert child.prove(broken(good, tmp_path, with_tree(good, **changes))) != "passed"
    assert child.prove(good) == "passed"


def test_every_flaw_of_a_tree_is_named() -> None:
    whole: dict[str, Any] = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [0.5, 0.1, 0.2],
    }
    assert problem_of(whole, 1) is None
    flaws = {
        "left_children": ([1, -1], [3, -1, -1], [0, -1, -1], [2, -1, -1], [-1, -1, -1]),
        "split_indices": ([1, 0, 0], [-1, 0, 0]),
        "split_conditions": ([np.nan, 0, 0], [0.5, np.inf, 0]),
    }
    for name, values in flaws.items():
        for value in values:
            assert problem_of(whole | {name: value}, 1) is not None, (name, value)
    chain = np.arange(0, 141)
    left = np.where((chain % 2 == 0) & (chain < 140), chain + 1, -1)
    right = np.where((chain % 2 == 0) & (chain < 140), chain + 2, -1)
    deep = {"left_children": left, "right_children": right}
    flat = {"split_indices": np.zeros(141, int), "split_conditions": np.zeros(141)}
    assert "deeper" in (problem_of(deep | flat, 1) or "")


@pytest.mark.parametrize(
    "content", [b"", b"{}", b"PK\x03\x04", b"\x80\x04\x95pickle", b"{" * 50_000]
)
def test_what_is_no_booster_is_refused(
    good: Path, child: Child, tmp_path: Path, content: bytes
) -> None:
    assert child.prove(broken(good, tmp_path, content)) != "passed"


def test_a_link_out_of_the_folder_is_refused(good: Path, child: Child, tmp_path: Path) -> None:
    target = broken(good, tmp_path, b"")
    (target / BOOSTER).unlink()
    (target / BOOSTER).symlink_to(good / BOOSTER)
    assert child.prove(target) == "refused"


def test_too_many_trees_are_refused(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("stores.model_trees.MOST_TREES", 1)
    with pytest.raises(ModelRefused, match="trees"):
        check_trees(good / BOOSTER)


def made_for(objective: str) -> Callable[[ServingModel], ServingModel]:
    def change(model: ServingModel) -> ServingModel:
        document = json.loads(model.booster.save_raw(raw_format="json"))
        parameters = {"reg_loss_param": {}, "poisson_regression_param": {"max_delta_step": "0.7"}}
        document["learner"]["objective"] = {"name": objective} | parameters
        booster = xgb.Booster()
        booster.load_model(bytearray(json.dumps(document).encode()))
        return replace(model, booster=booster)

    return change


def turned_round(model: ServingModel) -> ServingModel:
    fields = model.encoder.to_dict()
    fields["shared"].reverse()
    return replace(model, encoder=Encoder.from_dict(fields))


ODD: dict[str, tuple[Callable[[ServingModel], ServingModel], str]] = {
    "regression": (made_for("reg:squarederror"), "no rates"),
    "log-odds": (made_for("binary:logitraw"), "no rates"),
    "counts": (made_for("count:poisson"), "no rates"),
    "another rate": (lambda model: replace(model, rate="cvr"), "predicts cvr, not ctr"),
    "another layout": (turned_round, "other columns than the feature contract lays out"),
    "a group beyond": (lambda model: replace(model, groups={"hour": (10**6,)}), "factor group"),
    "a group before": (lambda model: replace(model, groups={"hour": (0, -1)}), "factor group"),
}


def odd_model(good: Path, target: Path, change: Callable[[ServingModel], ServingModel]) -> Path:
    """A changed model whose golden rows are its own."""
    model = change(load(good, name="adbid-ctr", version="1"))
    with np.load(good / GOLDEN) as arrays:
        golden = {name: arrays[name] for name in arrays.files if name != "expected"}
    save(target, model, ScoreBatch(**golden))
    return target


@pytest.mark.parametrize("kind", ODD)
def test_an_odd_model_is_refused_with_its_reason(good: Path, tmp_path: Path, kind: str) -> None:
    change, reason = ODD[kind]
    with pytest.raises(ModelRefused, match=reason):
        prove(odd_model(good, tmp_path / "odd", change), "adbid-ctr", "1", None)


def test_a_model_passes_under_the_name_of_its_own_rate(good: Path, tmp_path: Path) -> None:
    change, _ = ODD["another rate"]
    prove(odd_model(good, tmp_path / "cvr", change), "adbid-cvr", "1", None)
    prove(good, "adbid-ctr", "1", None)
