"""Which rows a nightly model is judged on, whatever the hour it runs at."""

import numpy as np
import pytest

from bidding.pricing import Floats
from training.dataset import Dataset
from training.holdout import held_out
from training.spec import load_spec

HOUR_S, DAY_S = 3_600.0, 86_400.0
MONDAY_S = 1_795_996_800.0  # 2026-11-30, midnight
SPEC = load_spec()


def rows_at(occurred_s: Floats, share: float = 0.06) -> Dataset:
    """Rows at these times, every so many of which had an outcome."""
    n = len(occurred_s)
    nothing = np.zeros(n)
    return Dataset(
        row_keys=np.arange(n, dtype=np.int64),
        outcomes=(np.arange(n) % round(1 / share) == 0).astype(np.float64),
        weights=np.ones(n),
        shifts=nothing,
        counts=np.ones(n),
        keys={},
        columns={},
        occurred_s=occurred_s,
        segments=np.zeros(0, np.int32),
        segment_offsets=np.zeros(n + 1, np.int32),
        prices=nothing,
        groups={},
    )


@pytest.mark.parametrize("hour", [0, 1, 13, 23])
def test_the_last_day_is_a_whole_one_whenever_the_run_begins(hour: int) -> None:
    newest_s = MONDAY_S + hour * HOUR_S
    rows = rows_at(np.linspace(newest_s - 10 * DAY_S, newest_s, 40_001))
    held = held_out(rows, SPEC)
    judged_on = rows.occurred_s[held]
    assert judged_on.max() - judged_on.min() == pytest.approx(DAY_S, rel=0.01)
    assert judged_on.min() > rows.occurred_s[~held].max()
    assert len(judged_on) == pytest.approx(4_000, rel=0.01)


def test_days_without_an_hour_are_judged_on_the_last_one() -> None:
    days = np.repeat(MONDAY_S + DAY_S * np.arange(10), 2_000)
    held = held_out(rows_at(days), SPEC)
    assert set(days[held]) == {days.max()}


@pytest.mark.parametrize(
    "occurred_s",
    [
        np.linspace(MONDAY_S, MONDAY_S + 2.9 * DAY_S, 40_000),
        np.linspace(MONDAY_S, MONDAY_S + 10 * DAY_S, 1_000),
        np.append(np.linspace(MONDAY_S, MONDAY_S + 10 * DAY_S, 40_000), np.nan),
    ],
    ids=["too few days", "too few outcomes", "a time that is not known"],
)
def test_without_enough_of_a_last_day_a_share_of_all_rows_is_held_out(occurred_s: Floats) -> None:
    rows = rows_at(occurred_s)
    held = held_out(rows, SPEC)
    assert held.mean() == pytest.approx(SPEC.split.holdout or 0.2, abs=0.03)
    assert np.nanmin(rows.occurred_s[held]) < MONDAY_S + DAY_S
