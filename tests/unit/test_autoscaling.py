"""Replicas follow how busy they are."""

import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from ray.serve.config import AutoscalingConfig

from deployments.autoscaling import BUSY, BusyShare, ByBusyShare
from deployments.ingress import Ingress
from deployments.scoring import Scoring
from stores.settings import PROJECT_ROOT


def context(*shares: float, target: int = 2) -> Any:
    told = {BUSY: dict(enumerate(shares))} if shares else None
    return SimpleNamespace(aggregated_metrics=told, target_num_replicas=target)


def test_a_share_is_what_was_used_since_the_last_time() -> None:
    used, now = iter([1.0, 1.5, 3.5]), iter([10.0, 11.0, 15.0])
    share = BusyShare(lambda: next(used), lambda: next(now))
    assert [share.stats(), share.stats()] == [{BUSY: 0.5}, {BUSY: 0.5}]


def test_a_share_is_told_by_the_thread_that_works() -> None:
    share = BusyShare()
    while time.thread_time() - share._before[0] < 0.05:
        pass
    other: list[dict[str, float]] = []
    thread = threading.Thread(target=lambda: other.append(share.stats()))
    thread.start()
    thread.join()
    assert 0.0 <= other[0][BUSY] <= 1.0
    assert 0.0 <= share.stats()[BUSY] <= 1.0


@pytest.mark.parametrize(
    ("shares", "wanted"), [((0.35, 0.0), 0.5), ((0.9, 0.75), 2.357), ((0.95,) * 4, 5.43)]
)
def test_the_sum_of_their_work_is_spread(shares: tuple[float, ...], wanted: float) -> None:
    assert ByBusyShare(0.7)(context(*shares))[0] == pytest.approx(wanted, abs=0.01)


def test_before_anything_is_told_nothing_changes() -> None:
    assert ByBusyShare(0.7)(context(target=3)) == (3, {})


@pytest.mark.parametrize("target", [0.0, -1.0, 1.5])
def test_a_target_is_a_share_of_a_core(target: float) -> None:
    with pytest.raises(ValueError, match="share of a core"):
        ByBusyShare(target)


@pytest.mark.parametrize(("name", "replica"), [("Ingress", Ingress), ("Scoring", Scoring)])
def test_what_scales_by_it_tells_it(name: str, replica: Any) -> None:
    (application,) = yaml.safe_load((PROJECT_ROOT / "serve_config.yaml").read_text())[
        "applications"
    ]
    (deployment,) = (each for each in application["deployments"] if each["name"] == name)
    config = AutoscalingConfig(**deployment["autoscaling_config"])
    assert config.policy.get_policy() is ByBusyShare
    ByBusyShare(**config.policy.policy_kwargs)
    assert hasattr(replica, "record_autoscaling_stats")
