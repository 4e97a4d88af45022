"""What Kubernetes gives the nightly job is what the code reads."""

import pytest

from stores.settings import Settings, load_settings
from tests.unit.test_deploy import base


def test_the_variables_are_settings_and_enough_to_retrain(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = base("ConfigMap")[0]["data"]
    beside = {"ADBID_HEALTH_URL", "ADBID_URL", "ADBID_KEY", "ADBID_LOG_FILE"}
    ours = {name for name in given if name.startswith("ADBID_")} - beside
    assert {name.removeprefix("ADBID_").lower() for name in ours} <= Settings.model_fields.keys()
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    settings = load_settings(running_system=False)
    assert settings.ray_dashboard_url == "http://adbid-head-svc:8265"
    assert settings.mlflow_tracking_uri
    ray = base("RayService")[0]
    assert given["ADBID_URL"] == f"http://{ray['metadata']['name']}-serve-svc:8000"
    retrain = base("CronJob")[0]["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    head = ray["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
    shared = {"configMapRef": {"name": "adbid-settings"}}
    assert shared in retrain["containers"][0]["envFrom"]
    key = {"secretRef": {"name": "adbid-retrain", "optional": True}}
    assert key in head["containers"][0]["envFrom"]
