"""Which rows a nightly model is judged on."""

import numpy as np

from bidding.pricing import Flags
from training.dataset import Dataset
from training.spec import TrainingSpec
from training.split import split_of

SECONDS_PER_DAY = 86_400.0
LEAST_TRAINING_DAYS = 2.0


def held_out(rows: Dataset, spec: TrainingSpec) -> Flags:
    """The last day(s) of the rows, counted back from the newest one; a share by hash where they
    span too little time for that.

    Whole days of the calendar would not do: a run at night would judge on the hours since
    midnight. Fewer than two days before would leave hours of the day without training.
    """
    known = rows.occurred_s[np.isfinite(rows.occurred_s)]
    if len(known) == len(rows) and len(known):
        days = spec.nightly.judge_days
        start = known.max() - days * SECONDS_PER_DAY
        late: Flags = rows.occurred_s > start
        if start - known.min() < LEAST_TRAINING_DAYS * SECONDS_PER_DAY:
            return _by_hash(rows, spec)
        enough = spec.gate.least_outcomes
        if rows.outcomes[late].sum() >= enough and rows.outcomes[~late].sum() >= 2 * enough:
            return late
    return _by_hash(rows, spec)


def _by_hash(rows: Dataset, spec: TrainingSpec) -> Flags:
    return split_of(rows.row_keys, spec.split.holdout or 0.2, spec.split.fold)
