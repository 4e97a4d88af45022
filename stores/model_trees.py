"""The trees of a booster, checked as a structure: a bad index or a loop must not reach serving.

XGBoost walks a tree without looking where its arrays end. Prediction on samples proves the paths
that the samples take; this proves all of them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb

from bidding.errors import ModelRefused

MOST_TREES = 20_000
MOST_NODES = 5_000_000
DEEPEST = 64
_NO_CHILD = -1


def check_trees(path: Path) -> None:
    """Raises `ModelRefused` unless every tree of the booster at `path` is one.

    Run it where a crash of the parser hurts nobody.
    """
    try:
        features, trees = _read(path)
        _check(features, trees)
    except (KeyError, TypeError, ValueError, OSError, xgb.core.XGBoostError) as error:
        kind = type(error).__name__
        raise ModelRefused(f"the booster can't be read: {kind}: {str(error)[:200]}") from error


def _read(path: Path) -> tuple[int, list[dict[str, Any]]]:
    booster = xgb.Booster()
    booster.load_model(path)
    document = json.loads(booster.save_raw(raw_format="json"))
    return booster.num_features(), document["learner"]["gradient_booster"]["model"]["trees"]


def _check(features: int, trees: list[dict[str, Any]]) -> None:
    if len(trees) > MOST_TREES:
        raise ModelRefused(f"{len(trees)} trees; at most {MOST_TREES} are served")
    if sum(len(tree["left_children"]) for tree in trees) > MOST_NODES:
        raise ModelRefused(f"more than {MOST_NODES} nodes")
    for number, tree in enumerate(trees):
        problem = problem_of(tree, features)
        if problem is not None:
            raise ModelRefused(f"tree {number}: {problem}")


def problem_of(tree: dict[str, Any], features: int) -> str | None:
    """What is wrong with one tree in XGBoost's JSON, None where nothing is."""
    left, right, split = (
        np.asarray(tree[name], dtype=np.int64)
        for name in ("left_children", "right_children", "split_indices")
    )
    conditions = np.asarray(tree["split_conditions"], dtype=np.float64)
    nodes = len(left)
    if not nodes or any(len(each) != nodes for each in (right, split, conditions)):
        return "its arrays differ in length"
    inner = left != _NO_CHILD
    if ((right != _NO_CHILD) != inner).any():
        return "a node has one child only"
    children = np.concatenate([left[inner], right[inner]])
    if (children <= 0).any() or (children >= nodes).any():
        return "a child is out of range"
    if np.bincount(children, minlength=nodes).max(initial=0) > 1:
        return "a node has two parents"
    if (split[inner] < 0).any() or (split[inner] >= features).any():
        return "a split is on a column that is not there"
    if not np.isfinite(conditions).all():
        return "a threshold or a leaf is not finite"
    return _depth_problem(left, right, inner)


def _depth_problem(left: Any, right: Any, inner: Any) -> str | None:
    """Level by level from the root; with one parent each, only a chain can be long."""
    level = np.array([0])
    for _ in range(DEEPEST + 1):
        level = level[inner[level]]
        if not len(level):
            return None
        level = np.concatenate([left[level], right[level]])
    return f"it is deeper than {DEEPEST}"
