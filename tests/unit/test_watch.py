"""A new champion goes back only for what chance does not explain."""

import numpy as np
import pytest

from bidding.watch import (
    Bounds,
    Failures,
    LiveSums,
    against_calibration,
    against_errors,
    ratio_interval,
)

BOUNDS = Bounds(0.67, 1.5, most_errors=0.02, confidence=0.9999)
GOOD = LiveSums(10_000, 100.0, 98)


def test_a_calibrated_version_is_left_alone() -> None:
    assert against_calibration(GOOD, LiveSums(), BOUNDS) is None


def test_a_version_that_promises_three_times_too_much_goes_back() -> None:
    reason = against_calibration(LiveSums(10_000, 300.0, 98), GOOD, BOUNDS)
    assert reason is not None
    assert "3.06" in reason


def test_a_version_that_promises_far_too_little_goes_back() -> None:
    assert against_calibration(LiveSums(10_000, 30.0, 98), GOOD, BOUNDS) is not None


def test_a_few_impressions_prove_nothing() -> None:
    assert against_calibration(LiveSums(100, 3.0, 0), GOOD, BOUNDS) is None
    assert against_calibration(LiveSums(1_000, 30.0, 0), GOOD, BOUNDS) is not None


def test_a_version_no_worse_than_the_one_before_is_kept() -> None:
    """The market moved: going back would mend nothing."""
    assert (
        against_calibration(LiveSums(10_000, 300.0, 98), LiveSums(9_000, 310.0, 90), BOUNDS) is None
    )
    assert against_calibration(LiveSums(10_000, 300.0, 0), LiveSums(900, 30.0, 0), BOUNDS) is None


@pytest.mark.parametrize(
    "before", [LiveSums(), LiveSums(40, 0.3, 0), LiveSums(40, 0.05, 1), LiveSums(9_000, 200.0, 98)]
)
def test_a_version_before_of_which_nothing_is_proven_or_that_was_better_protects_nobody(
    before: LiveSums,
) -> None:
    assert against_calibration(LiveSums(100_000, 5_000.0, 500), before, BOUNDS) is not None


def test_chance_alone_hardly_ever_sends_a_good_version_back() -> None:
    """180 looks at a window of 30 minutes, of a version that is 20% off."""
    rng = np.random.default_rng(5)
    sent_back = 0
    for _ in range(200):
        clicks = rng.poisson(5.0, 180).cumsum()
        promised = 6.0 * np.arange(1, 181)
        sent_back += any(
            against_calibration(LiveSums(1, float(p), int(c)), LiveSums(), BOUNDS)
            for p, c in zip(promised, clicks, strict=True)
        )
    assert sent_back <= 1


def test_the_interval_holds_the_ratio_and_narrows_with_outcomes() -> None:
    low, high = ratio_interval(LiveSums(1_000, 20.0, 20), 0.95)
    assert low < 1 < high
    wide = np.log(high / low)
    low, high = ratio_interval(LiveSums(100_000, 2_000.0, 2_000), 0.95)
    assert 0.95 < low < 1 < high < 1.05
    assert np.log(high / low) < wide
    assert ratio_interval(LiveSums(10, 1.0, 0), 0.95)[1] == np.inf


@pytest.mark.parametrize(
    ("after", "before", "goes_back"),
    [
        (Failures(10_000, 0), Failures(), False),
        (Failures(10_000, 1_000), Failures(10_000, 3), True),
        (Failures(10, 2), Failures(), False),
        (Failures(10_000, 1_000), Failures(10_000, 1_000), False),
    ],
)
def test_errors_count_where_they_are_many_and_new(
    after: Failures, before: Failures, goes_back: bool
) -> None:
    assert (against_errors(after, before, BOUNDS) is not None) == goes_back
