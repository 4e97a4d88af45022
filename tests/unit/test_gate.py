import json

import numpy as np
import pytest

from training.gate import (
    NO_SERVICE,
    DryRun,
    Duel,
    Evidence,
    NoDuel,
    judge,
    reordered,
    with_dry_run,
    without_dry_run,
)
from training.metrics import Judged
from training.spec import GateSpec

N = 20_000
SPEC = GateSpec()


def rows(skill: float = 1.0, bias: float = 0.0, seed: int = 1) -> Judged:
    """Predictions of log-odds `skill * truth + bias`."""
    rng = np.random.default_rng(7)
    truth = rng.normal(-3.0, 1.0, N)
    outcomes = (rng.random(N) < 1 / (1 + np.exp(-truth))).astype(float)
    noise = np.random.default_rng(seed).normal(0, 1, N)
    odds = -3.0 + skill * (truth + 3.0) + (1 - skill) * noise + bias
    return Judged(outcomes, 1 / (1 + np.exp(-odds)), np.ones(N))


def evidence(candidate: Judged, champion: Judged | None = None, **changes: object) -> Evidence:
    fields = {
        "groups": {"device_type": np.array(["mobile", "desktop"] * (N // 2), object)},
        "importance": {"hour_of_day": 0.3, "site": 0.5},
    }
    duel = NoDuel("no champion", True) if champion is None else Duel(candidate, champion)
    return Evidence(**({"candidate": candidate, "duel": duel} | fields | changes))  # type: ignore[arg-type]


def test_a_good_model_passes_and_every_check_says_what_it_found() -> None:
    verdict = with_dry_run(judge(evidence(rows(), rows(skill=0.7)), SPEC), DryRun(6, (), 0.1), SPEC)
    assert verdict.passed, verdict.reasons
    assert all(check.found for check in verdict.checks)
    assert json.loads(json.dumps(verdict.plain()))["verdict"] == "passed"


@pytest.mark.parametrize(
    ("broken", "named"),
    [
        (evidence(rows(skill=0.3), rows()), "not worse than the champion"),
        (evidence(rows(bias=0.5)), "predicted/actual"),
        (evidence(rows(), importance={"leak": 0.7, "segments": 0.3}), "no feature rules"),
        (evidence(rows(), importance={"segments": 0.95}), "no feature rules"),
        (evidence(rows(), duel=NoDuel("3 can't be read", False)), "not worse than the champion"),
        (evidence(rows().take(np.arange(N) < 100)), "enough rows"),
    ],
)
def test_what_is_wrong_fails_the_gate_with_its_name(broken: Evidence, named: str) -> None:
    verdict = judge(broken, SPEC)
    assert not verdict.passed
    assert any(reason.startswith(named) for reason in verdict.reasons), verdict.reasons


@pytest.mark.parametrize(
    "found",
    [
        DryRun(6, ("a bundle: NaN",), 0.0),
        DryRun(6, (), 0.8),
        DryRun(0, (), 0.0),
        NO_SERVICE,
    ],
)
def test_a_dry_run_that_shows_nothing_good_fails_the_gate(found: DryRun) -> None:
    verdict = with_dry_run(judge(evidence(rows()), SPEC), found, SPEC)
    assert not verdict.passed
    assert verdict.reasons[0].startswith("dry run")


def test_a_dry_run_that_is_turned_off_is_said_to_be() -> None:
    verdict = without_dry_run(judge(evidence(rows()), SPEC))
    assert verdict.passed
    assert "turned off" in verdict.checks[-1].found


def test_one_device_that_is_off_fails_though_the_whole_is_right() -> None:
    good = rows()
    device = np.where(np.arange(N) < 3_000, "tv", "mobile").astype(object)
    odds = np.log(good.predicted / (1 - good.predicted)) + np.where(device == "tv", 1.5, -0.15)
    skewed = Judged(good.outcomes, 1 / (1 + np.exp(-odds)), good.weights)
    verdict = judge(evidence(skewed, groups={"device_type": device}), SPEC)
    assert any("device_type tv" in reason for reason in verdict.reasons)


def test_reordering_counts_pairs() -> None:
    assert reordered([3, 2, 1], [30, 20, 10]) == 0.0
    assert reordered([3, 2, 1], [1, 2, 3]) == 1.0
    assert reordered([3, 2, 1], [3, 1, 2]) == pytest.approx(1 / 3)
    assert reordered([1, 1], [1, 2]) == 0.0
    assert reordered([3, 2, 1], [0, 0, 0]) == 1.0
