"""Rendered manifests keep to the schemas: Kubernetes', KubeRay's, Ray Serve's.

`make test` and `make lint-deploy` install Kubernetes' schemas (kubernetes-validate) in .tools/lint.
"""

import copy
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from ray.serve.schema import DeploymentSchema, ServeApplicationSchema, ServeDeploySchema

from stores.settings import PROJECT_ROOT
from tests.kuberay_schema import RAY_SERVICE, Manifest, core_parts

KUBERNETES = "1.34"
VALIDATE = PROJECT_ROOT / ".tools/lint/bin/kubernetes-validate"
DEPLOY = PROJECT_ROOT / "deploy/kubernetes"
OVERLAYS = [path.name for path in (DEPLOY / "overlays").iterdir() if path.is_dir()]

pytestmark = [
    pytest.mark.skipif(
        not VALIDATE.exists() and "CI" not in os.environ, reason="`make test` installs the schemas"
    ),
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="kubectl renders the overlays"),
]


def render(overlay: str, folder: Path) -> list[Manifest]:
    """All manifests of an overlay, as `kubectl apply --kustomize` would send them."""
    place = folder / "kubernetes"
    shutil.copytree(DEPLOY, place)
    for example in place.rglob("*.env.example"):
        shutil.copy(example, example.with_suffix(""))
    done = subprocess.run(
        ["kubectl", "kustomize", place / "overlays" / overlay],
        capture_output=True,
        text=True,
        check=True,
    )
    return list(yaml.safe_load_all(done.stdout))


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return render("production", tmp_path_factory.mktemp("rendered"))


def problems(manifests: list[Manifest], folder: Path) -> str:
    """What the schemas have against these manifests; empty where they fit."""
    found, core = [], []
    for each in manifests:
        if each["apiVersion"].startswith("ray.io/"):
            judge = jsonschema.Draft202012Validator(RAY_SERVICE)
            found += [f"{error.json_path}: {error.message}" for error in judge.iter_errors(each)]
            core += core_parts(each)
            found += serve_problems(yaml.safe_load(each["spec"]["serveConfigV2"]))
        else:
            core.append(each)
    file = folder / "core.yaml"
    file.write_text(yaml.safe_dump_all(core))
    done = subprocess.run(
        [VALIDATE, "--strict", "--quiet", "--no-warn", "-k", KUBERNETES, file],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        found.append(done.stdout + done.stderr)
    return "\n".join(found)


def serve_problems(config: dict[str, Any]) -> list[str]:
    """Wrong values, and names that Ray Serve would pass over without a word."""
    found = []
    try:
        ServeDeploySchema.model_validate(config)
    except ValueError as error:
        found.append(f"serveConfigV2: {error}")
    parts = [(ServeDeploySchema, config)]
    for application in config["applications"]:
        parts.append((ServeApplicationSchema, application))
        parts += [(DeploymentSchema, each) for each in application["deployments"]]
    return found + [
        f"serveConfigV2: no field {name}"
        for schema, part in parts
        for name in part.keys() - schema.model_fields.keys()
    ]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_manifest_keeps_to_its_schema(overlay: str, tmp_path: Path) -> None:
    rendered = render(overlay, tmp_path)
    kinds = {each["kind"] for each in rendered}
    assert kinds >= {"RayService", "CronJob", "Deployment", "Ingress", "NetworkPolicy"}
    assert problems(rendered, tmp_path) == ""


def spec_of(manifests: list[Manifest], kind: str) -> dict[str, Any]:
    return next(each for each in manifests if each["kind"] == kind)["spec"]  # type: ignore[no-any-return]


def rename(node: dict[str, Any], old: str, new: str) -> None:
    node[new] = node.pop(old)


def _in_the_serve_config(manifests: list[Manifest]) -> None:
    spec = spec_of(manifests, "RayService")
    spec["serveConfigV2"] = spec["serveConfigV2"].replace("max_queued_requests", "max_queue")


MISSPELT: dict[str, Callable[[list[Manifest]], None]] = {
    "of Serve": _in_the_serve_config,
    "of the RayService": lambda all_: rename(
        spec_of(all_, "RayService"), "excludeHeadPodFromServeSvc", "excludeHeadFromServeSvc"
    ),
    "of a worker group": lambda all_: rename(
        spec_of(all_, "RayService")["rayClusterConfig"]["workerGroupSpecs"][0],
        "maxReplicas",
        "maxReplica",
    ),
    "of a head's container": lambda all_: rename(
        spec_of(all_, "RayService")["rayClusterConfig"]["headGroupSpec"]["template"]["spec"][
            "containers"
        ][0],
        "livenessProbe",
        "livenesProbe",
    ),
    "of the autoscaler's container": lambda all_: rename(
        spec_of(all_, "RayService")["rayClusterConfig"]["autoscalerOptions"]["resources"],
        "limits",
        "limit",
    ),
    "of the CronJob": lambda all_: rename(spec_of(all_, "CronJob"), "timeZone", "timezone"),
    "of the Ingress": lambda all_: rename(spec_of(all_, "Ingress")["rules"][0], "http", "https"),
}


@pytest.mark.parametrize("where", MISSPELT)
def test_a_misspelt_field_is_found(where: str, rendered: list[Manifest], tmp_path: Path) -> None:
    broken = copy.deepcopy(rendered)
    MISSPELT[where](broken)
    assert problems(broken, tmp_path)


def test_a_wrong_type_is_found(rendered: list[Manifest], tmp_path: Path) -> None:
    broken = copy.deepcopy(rendered)
    spec_of(broken, "CronJob")["startingDeadlineSeconds"] = "four hours"
    assert "startingDeadlineSeconds" in problems(broken, tmp_path)
