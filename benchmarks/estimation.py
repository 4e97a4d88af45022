"""`python -m benchmarks.estimation FILE [--negative-weight W]`: how good the estimates are.

Every row of the log is judged once, by a model that was trained on the other four fifths:
quality by fold beside the baselines, a replay at 26% of the full cost, and log loss by how much
history a row's pair has. Prints Markdown; docs/estimation.md holds what it printed.
"""

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from bidding.pricing import Floats
from stores.feature_contract import load_contract
from stores.training_rows import file_rows
from training import baselines
from training.dataset import Dataset, dataset_of
from training.metrics import Judged, row_losses
from training.pipeline import Trained, train_on
from training.replay import fit_level, replay
from training.spec import load_spec
from training.split import split_of

FOLDS = 5
BUDGET_SHARE = 0.26
BUCKETS = (("0", 0, 0), ("1-10", 1, 10), ("11-100", 11, 100), ("100+", 101, np.inf))
FIGURES = ("auc", "normalized_entropy", "ratio")


def main() -> None:
    """Run all folds and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--negative-weight", type=float, default=1.0)
    given = parser.parse_args()
    contract = load_contract()
    rows = dataset_of(file_rows(given.file, given.negative_weight), contract)
    folds = [_fold(rows, fold) for fold in range(FOLDS)]
    print(_quality_table([trained for trained, _ in folds]))
    print(_replay_table([(trained, held) for trained, held in folds]))
    print(_bucket_table(folds))


def _fold(rows: Dataset, fold: int) -> tuple[Trained, Dataset]:
    held = split_of(rows.row_keys, 1 / FOLDS, fold)
    return train_on(rows, held, load_contract(), load_spec()), rows.take(held)


def _quality_table(folds: list[Trained]) -> str:
    found: dict[str, list[list[float]]] = {}
    for trained in folds:
        held = trained.held_out
        if held is None:
            raise ValueError("a fold is empty")
        for name, quality in {"ours": held.model, **held.baselines}.items():
            values = [getattr(quality, figure).value for figure in FIGURES]
            found.setdefault(name, []).append(values)
    numbers = [
        [name, *(_mean_range(np.array(each)[:, i]) for i in range(len(FIGURES)))]
        for name, each in found.items()
    ]
    return _markdown(["", "AUC", "normalized entropy", "predicted/actual"], numbers)


def _replay_table(folds: list[tuple[Trained, Dataset]]) -> str:
    found: dict[str, list[tuple[float, float]]] = {}
    for trained, held in folds:
        for policy, training in trained.judge.markets.items():
            market = trained.judge.market(held, trained.contract, policy)
            budget = BUDGET_SHARE * market.known().cost
            level = fit_level(training, budget / float(market.known().weights.sum()))
            won = replay(market, budget, level)
            found.setdefault(policy, []).append((won.click_share, won.cost_share))
    numbers = [
        [name, *(_mean_range(np.array(each)[:, i]) for i in range(2))]
        for name, each in found.items()
    ]
    return _markdown(["policy", "share of clicks", "share of full cost spent"], numbers)


def _bucket_table(folds: list[tuple[Trained, Dataset]]) -> str:
    losses: dict[str, dict[str, list[Floats]]] = {name: {} for name, _, _ in BUCKETS}
    for trained, held in folds:
        history = trained.judge.history
        _, seen = history.pair_counts(held)
        posterior = history.rates(held).pair
        clicks, impressions = history.pair_counts(held)
        flat = (clicks + baselines.FLAT_CLICKS) / (impressions + baselines.FLAT_IMPRESSIONS)
        for name, low, high in BUCKETS:
            mine = (seen >= low) & (seen <= high)
            for rates, which in ((posterior, "fitted"), (flat, "flat")):
                judged = Judged(held.outcomes, rates, held.weights).take(mine)
                weighted = np.stack([row_losses(judged) * judged.weights, judged.weights])
                losses[name].setdefault(which, []).append(weighted)
    numbers = []
    for name, each in losses.items():
        total = {which: np.concatenate(parts, axis=1) for which, parts in each.items()}
        mean = {which: found[0].sum() / found[1].sum() for which, found in total.items()}
        number = total["fitted"].shape[1]
        better = 1 - mean["fitted"] / mean["flat"]
        numbers.append(
            [name, f"{number:,}", f"{mean['flat']:.5f}", f"{mean['fitted']:.5f}", f"{better:.0%}"]
        )
    head = ["impressions of the pair so far", "rows judged", "flat (3, 97)", "fitted", "better by"]
    return _markdown(head, numbers)


def _mean_range(values: Floats) -> str:
    return f"{values.mean():.4f} ({values.min():.3f}-{values.max():.3f})"


def _markdown(head: list[str], lines: Iterable[list[str]]) -> str:
    rule = ["---", *("---:" for _ in head[1:])]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, rule, *lines]) + "\n"


if __name__ == "__main__":
    main()
