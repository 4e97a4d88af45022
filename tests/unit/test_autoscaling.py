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


def test_a_thread_that_works_is_busier_than_one_that_rests() -> None:
    share, started = BusyShare(), time.thread_time()
    while time.thread_time() - started < 0.05:
        pass
    worked = share.stats()[BUSY]
    time.sleep(0.2)
    assert 0.0 <= share.stats()[BUSY] < worked <= 1.0


def test_another_thread_has_its_own_account() -> None:
    share = BusyShare()
    told: list[dict[str, float]] = []
    thread = threading.Thread(target=lambda: told.append(share.stats()))
    thread.start()
    thread.join()
    assert told == [{BUSY: 0.0}]


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
