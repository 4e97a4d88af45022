"""Serve's replicas and Ray's workers fit each other, wherever the workers are counted."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stores.training_jobs import CPUS
from tests.unit.test_deploy import DEPLOY, Manifest, base

KUBERNETES = DEPLOY / "kubernetes"
SIZED = ("Ingress", "Scoring")
PLACES = ("base", "overlays/small", "overlays/production")


def read(path: Path) -> Manifest:
    return yaml.safe_load(path.read_text())  # type: ignore[no-any-return]


def group() -> Manifest:
    """The workers of the base."""
    cluster = base("RayService")[0]["spec"]["rayClusterConfig"]
    return cluster["workerGroupSpecs"][0]  # type: ignore[no-any-return]


def serving(place: str) -> Manifest:
    """What Serve runs there."""
    own = KUBERNETES / place / "serving.yaml"
    service = read(own) if own.exists() else base("RayService")[0]
    return yaml.safe_load(service["spec"]["serveConfigV2"])  # type: ignore[no-any-return]


def workers(place: str) -> tuple[int, int]:
    """The fewest and the most."""
    counts = {name: group()[name] for name in ("minReplicas", "replicas", "maxReplicas")}
    for patch in read(KUBERNETES / place / "kustomization.yaml").get("patches", []):
        if patch.get("target", {}).get("kind") != "RayService":
            continue
        for step in yaml.safe_load(patch["patch"]):
            name = step["path"].rsplit("/", 1)[1]
            if name in counts:
                counts[name] = step["value"]
    assert counts["replicas"] == counts["minReplicas"]
    return counts["minReplicas"], counts["maxReplicas"]


def cpus() -> float:
    """Of a worker."""
    started, container = group()["rayStartParams"], group()["template"]["spec"]["containers"][0]
    assert started["num-cpus"] == container["resources"]["requests"]["cpu"]
    return float(started["num-cpus"])


def deployments(config: Manifest) -> list[Manifest]:
    return config["applications"][0]["deployments"]  # type: ignore[no-any-return]


def asked(config: Manifest, bound: str) -> float:
    """CPUs of all replicas at that bound, and of the nightly job."""
    return CPUS + sum(
        each.get("autoscaling_config", {}).get(bound, each.get("num_replicas"))
        * each["ray_actor_options"]["num_cpus"]
        for each in deployments(config)
    )


def sizes(config: Manifest) -> Iterator[Manifest]:
    for each in deployments(config):
        if each["name"] in SIZED:
            scaling = each["autoscaling_config"]
            bounds = {bound: scaling.pop(bound) for bound in ("min_replicas", "max_replicas")}
            yield bounds | each.pop("ray_actor_options")


@pytest.mark.parametrize("place", PLACES)
def test_the_fewest_replicas_fit_the_fewest_workers(place: str) -> None:
    fewest, _ = workers(place)
    assert asked(serving(place), "min_replicas") <= fewest * cpus()


@pytest.mark.parametrize("place", PLACES)
def test_the_most_replicas_need_all_workers_and_fit_them(place: str) -> None:
    _, most = workers(place)
    assert (most - 1) * cpus() < asked(serving(place), "max_replicas") <= most * cpus()


def test_production_serves_what_the_base_serves_but_for_its_size() -> None:
    ours, theirs = serving("base"), serving("overlays/production")
    small, large = list(sizes(ours)), list(sizes(theirs))
    assert theirs == ours
    assert len(large) == len(small) == len(SIZED)
    for few, many in zip(small, large, strict=True):
        assert all(many[name] > few[name] for name in few)


def test_production_has_an_ingress_and_a_scoring_replica_for_each_worker() -> None:
    fewest, _ = workers("overlays/production")
    assert [size["min_replicas"] for size in sizes(serving("overlays/production"))] == [fewest] * 2


def test_workers_may_be_drained_while_others_answer() -> None:
    """By a whole number that must stay: KubeRay's clusters have no scale to take shares of."""
    (budget,) = base("PodDisruptionBudget")
    assert set(budget["spec"]) == {"minAvailable", "selector"}
    fewest = {place: workers(place)[0] for place in PLACES}
    assert budget["spec"]["minAvailable"] == fewest["base"] - 1 == 1
    (step,) = budget_patch("overlays/production")
    assert step["path"] == "/spec/minAvailable"
    assert step["value"] == fewest["overlays/production"] - 1
    assert budget_patch("overlays/small")["$patch"] == "delete"
    assert fewest["overlays/small"] == 1


def budget_patch(place: str) -> Any:
    found = read(KUBERNETES / place / "kustomization.yaml")["patches"]
    (patch,) = (each for each in found if "PodDisruptionBudget" in str(each.get("target")))
    return yaml.safe_load(patch["patch"])
