"""The container, Compose and Kubernetes files agree with the code and with each other."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from cli import container
from cli.embedded import mlflow_server
from cli.embedded.errors import EmbeddedError
from cli.embedded.ray_cluster import LEAST_CPUS, SERVE_FLAGS
from stores import training_jobs
from stores.settings import PROJECT_ROOT

DEPLOY = PROJECT_ROOT / "deploy"
BASE = DEPLOY / "kubernetes" / "base"
OVERLAYS = [path for path in (DEPLOY / "kubernetes" / "overlays").iterdir() if path.is_dir()]
Manifest = dict[str, Any]


def manifests(folder: Path) -> list[Manifest]:
    files = [path for path in folder.glob("*.yaml") if path.name != "kustomization.yaml"]
    found = (each for path in files for each in yaml.safe_load_all(path.read_text()))
    return [each for each in found if "kind" in each]


def base(kind: str) -> list[Manifest]:
    return [each for each in manifests(BASE) if each["kind"] == kind]


@pytest.fixture(scope="module")
def ray_service() -> Manifest:
    return base("RayService")[0]["spec"]  # type: ignore[no-any-return]


def pods() -> Iterator[Manifest]:
    """Every pod template of the manifests: metadata and spec."""
    for folder in (BASE, *OVERLAYS):
        for each in manifests(folder):
            yield from templates(each)


def templates(node: object) -> Iterator[Manifest]:
    if isinstance(node, dict):
        if isinstance(node.get("template"), dict) and "containers" in node["template"]["spec"]:
            yield node["template"]
        for child in node.values():
            yield from templates(child)
    elif isinstance(node, list):
        for child in node:
            yield from templates(child)


def test_the_cluster_serves_what_one_machine_serves(ray_service: Manifest) -> None:
    ours = yaml.safe_load((PROJECT_ROOT / "serve_config.yaml").read_text())
    theirs = yaml.safe_load(ray_service["serveConfigV2"])
    assert theirs.pop("proxy_location") == "EveryNode"
    assert theirs["http_options"].pop("host") == "0.0.0.0"
    ours.pop("proxy_location")
    ours["http_options"].pop("host")
    assert theirs == ours


def test_every_node_starts_with_the_flags_and_the_version_of_one_machine(
    ray_service: Manifest,
) -> None:
    settings = base("ConfigMap")[0]["data"]
    assert settings.items() >= SERVE_FLAGS.items()
    wrapper = PROJECT_ROOT / settings["RAY_SERVE_HAPROXY_BINARY_PATH"].removeprefix("/app/")
    assert os.access(wrapper, os.X_OK)
    # the wrapper knows the door by its address
    http = yaml.safe_load(ray_service["serveConfigV2"])["http_options"]
    assert (http["host"], http["port"]) == (settings["ADBID_HOST"], 8000)
    cluster = ray_service["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for group in groups:
        sources = group["template"]["spec"]["containers"][0]["envFrom"]
        assert {"configMapRef": {"name": "adbid-settings"}} in sources
    locked = re.search(r'name = "ray"\nversion = "(.*)"', (PROJECT_ROOT / "uv.lock").read_text())
    assert locked
    assert cluster["rayVersion"] == locked[1]


def test_no_container_may_become_root() -> None:
    found = list(pods())
    assert len(found) >= 7
    for pod in found:
        assert pod["spec"]["securityContext"]["runAsNonRoot"] is True
        for each in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            assert each["securityContext"]["allowPrivilegeEscalation"] is False
            assert each["securityContext"]["capabilities"] == {"drop": ["ALL"]}
            assert "memory" in each["resources"]["limits"]


def selectors(node: object) -> Iterator[Manifest]:
    """What policies, budgets, services and spreads say of the pods that they mean."""
    if isinstance(node, dict):
        for name, child in node.items():
            if name in {"podSelector", "selector", "labelSelector"} and isinstance(child, dict):
                yield child
            yield from selectors(child)
    elif isinstance(node, list):
        for child in node:
            yield from selectors(child)


def alternatives(selector: Manifest) -> Iterator[set[tuple[str, str]]]:
    """The sets of labels, each of which some pod must have; none where every pod is meant."""
    plain = selector if all(isinstance(each, str) for each in selector.values()) else {}
    wanted = selector.get("matchLabels", plain)
    if wanted:
        yield set(wanted.items())
    for each in selector.get("matchExpressions", []):
        assert each["operator"] == "In"
        yield from ({(each["key"], value)} for value in each["values"])


def test_every_selector_finds_a_pod_of_ours() -> None:
    labels = [set(pod["metadata"]["labels"].items()) for pod in pods()]
    labels.append({("app.kubernetes.io/component", "kuberay-operator")})  # of KubeRay's own
    places = (BASE, *OVERLAYS)
    every = [each for place in places for found in manifests(place) for each in selectors(found)]
    wanted = [each for selector in every for each in alternatives(selector)]
    assert len(wanted) >= 20
    assert [each for each in wanted if not any(each <= pod for pod in labels)] == []


def test_kuberay_keeps_the_label_that_its_services_find_pods_by(ray_service: Manifest) -> None:
    """`app.kubernetes.io/name`: with another one the service `adbid-head-svc` finds no pod."""
    cluster = ray_service["rayClusterConfig"]
    for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"]):
        assert set(each["template"]["metadata"]["labels"]) == {"app.kubernetes.io/component"}


def test_no_pod_gets_variables_of_services_that_look_like_settings() -> None:
    asks_us = [
        pod for pod in pods() if any("adbid" in each["image"] for each in pod["spec"]["containers"])
    ]
    assert len(asks_us) == 4
    assert all(pod["spec"]["enableServiceLinks"] is False for pod in asks_us)


def test_the_containers_run_roles_that_the_image_has() -> None:
    for pod in pods():
        for each in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]:
            if each["image"] == "adbid-optimizer" and "args" in each:
                assert each["args"][0] in container.ROLES
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = [each for each in services.values() if "adbid" in each["image"]]
    assert {each["command"][0] for each in ours} == {"serve", "mlflow", "migrate", "sleep"}


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders the overlays")
@pytest.mark.parametrize("overlay", OVERLAYS, ids=lambda path: path.name)
def test_every_overlay_renders(overlay: Path, tmp_path: Path) -> None:
    copy = tmp_path / "kubernetes"
    shutil.copytree(DEPLOY / "kubernetes", copy)
    place = copy / "overlays" / overlay.name
    for example in place.glob("*.env.example"):
        example.rename(example.with_suffix(""))
    done = subprocess.run(
        ["kubectl", "kustomize", place], capture_output=True, text=True, check=True
    )
    rendered = list(yaml.safe_load_all(done.stdout))
    service = next(each for each in rendered if each["kind"] == "RayService")
    images = {
        each["image"]
        for pod in templates(service)
        for each in [*pod["spec"]["containers"], *pod["spec"].get("initContainers", [])]
    }
    assert images == {"ghcr.io/your-org/adbid-optimizer:latest"}
    assert {each["metadata"].get("namespace", "adbid") for each in rendered} == {"adbid"}


def test_one_service_of_compose_builds_the_image_that_all_of_ours_run() -> None:
    """Compose builds all of them at once, and images of one name collide."""
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    ours = {name: each for name, each in services.items() if "adbid" in each["image"]}
    assert [name for name, each in ours.items() if "build" in each] == ["migrate"]
    pulled = {name for name, each in ours.items() if each["pull_policy"] != "never"}
    assert pulled == {"migrate"}


def test_the_smoke_test_touches_no_installation_of_this_host(tmp_path: Path) -> None:
    docker, said = tmp_path / "docker", tmp_path / "said"
    docker.write_text(f'#!/bin/sh\necho "$COMPOSE_PROJECT_NAME $ADBID_PORT $*" >> {said}\nexit 1\n')
    docker.chmod(0o755)
    copy = tmp_path / "deploy"
    copy.mkdir()
    for name in ("smoke.sh", "make-secrets.sh"):
        shutil.copy(DEPLOY / name, copy)
    environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run([copy / "smoke.sh", "image"], env=environment, check=False)
    assert done.returncode == 1
    calls = [line.split(maxsplit=2) for line in said.read_text().splitlines()]
    assert calls[-1][2] == "compose down --volumes"
    for project, port, _ in calls:
        assert re.fullmatch(r"adbid-smoke-\d+", project)
        assert port != "8000"


def test_the_image_gets_every_package_and_only_what_is_let_through() -> None:
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    copied = {
        source
        for line in re.findall(r"^COPY (?!--from)(.*) \S+$", dockerfile, re.MULTILINE)
        for source in line.split()
    }
    project = (PROJECT_ROOT / "pyproject.toml").read_text()
    packages = re.search(r"^packages = \[(.*)\]$", project, re.MULTILINE)
    assert packages
    assert set(re.findall(r'"(\w+)"', packages[1])) <= copied
    allowed = (PROJECT_ROOT / ".dockerignore").read_text().split()
    for source in copied:
        assert f"!{source.rstrip('/').split('/')[0]}" in allowed, source
        assert (PROJECT_ROOT / source).exists(), source


def test_a_secret_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database_url"
    secret.write_text("postgresql://adbid:word@postgres/adbid\n")
    found = container.with_secrets({"DATABASE_URL_FILE": str(secret), "REDIS_URL": "redis://r"})
    assert found == {
        "DATABASE_URL": "postgresql://adbid:word@postgres/adbid",
        "REDIS_URL": "redis://r",
    }
    with pytest.raises(EmbeddedError, match=r"REDIS_URL_FILE=.* cannot be read"):
        container.with_secrets({"REDIS_URL_FILE": str(tmp_path / "none")})


def test_mlflow_keeps_its_tables_beside_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    monkeypatch.setattr(mlflow_server, "ensure_database", made.append)
    command, environment = container.mlflow(
        ["--allowed-hosts", "m:5000"], {"DATABASE_URL": "postgresql://adbid:word@postgres/adbid"}
    )
    assert made == ["postgresql://adbid:word@postgres/mlflow"]
    assert environment["MLFLOW_BACKEND_STORE_URI"].endswith(":word@postgres/mlflow")
    assert command[-2:] == ["--allowed-hosts", "m:5000"]
    assert "word" not in " ".join(command)


def test_a_role_without_its_stores_says_what_to_set() -> None:
    with pytest.raises(EmbeddedError, match="set REDIS_URL, MLFLOW_TRACKING_URI"):
        container.serve([], {"DATABASE_URL": "postgresql://x/y"})


def test_prometheus_grafana_and_the_stores_are_watched_in_compose() -> None:
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    for name in ("postgres", "redis", "prometheus", "grafana"):
        assert services[name]["healthcheck"]["test"][0] == "CMD", name
    assert services["mlflow"]["healthcheck"] == {"start_period": "120s"}


def test_our_image_asks_whether_tempo_is_ready() -> None:
    tempo = yaml.safe_load((DEPLOY / "tempo.yaml").read_text())
    watch = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]["tempo-health"]
    port = tempo["server"]["http_listen_port"]
    assert watch["environment"] == {"ADBID_HEALTH_URL": f"http://tempo:{port}/ready"}
    assert "healthcheck" not in watch or "test" not in watch["healthcheck"]  # the image's own


def test_ci_renders_the_small_overlay_with_its_secret_and_fails_with_kubectl() -> None:
    flow = yaml.safe_load((PROJECT_ROOT / ".github/workflows/ci.yml").read_text())
    _, copy, render = flow["jobs"]["manifests"]["steps"]
    example, target = (PROJECT_ROOT / word for word in copy["run"].split()[1:])
    assert example.exists()
    assert target == example.with_suffix("")
    assert render["shell"] == "bash"
    assert ":latest" not in render["run"]


def test_a_release_waits_for_what_lints_the_deployment() -> None:
    jobs = yaml.safe_load((PROJECT_ROOT / ".github/workflows/ci.yml").read_text())["jobs"]
    assert "make lint-deploy" in [step.get("run") for step in jobs["deploy"]["steps"]]
    assert set(jobs["release"]["needs"]) == set(jobs) - {"bench", "release"}


def test_the_architecture_page_tells_of_every_deployment() -> None:
    config = yaml.safe_load((PROJECT_ROOT / "serve_config.yaml").read_text())
    names = {each["name"] for each in config["applications"][0]["deployments"]}
    page = (PROJECT_ROOT / "docs/architecture.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)) == names
    bound = (PROJECT_ROOT / "graph.py").read_text()
    assert set(re.findall(r"serve\.deployment\((\w+)\)", bound)) == names


def test_a_machine_of_one_core_places_every_replica_and_the_nightly_job() -> None:
    config = yaml.safe_load((PROJECT_ROOT / "serve_config.yaml").read_text())
    asked = sum(
        each.get("num_replicas", 0 if "autoscaling_config" in each else 1)
        * each["ray_actor_options"]["num_cpus"]
        + each.get("autoscaling_config", {}).get("min_replicas", 0)
        * each["ray_actor_options"]["num_cpus"]
        for each in config["applications"][0]["deployments"]
    )
    assert asked + training_jobs.CPUS <= LEAST_CPUS
