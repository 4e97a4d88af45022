"""Dashboards and alerts ask for metrics and labels that exist, and every alert has its page."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deployments.metrics import BY_NAME, METRICS

ROOT = Path(__file__).resolve().parents[2]
ALERTS = ROOT / "deploy/prometheus/alerts.yml"
DASHBOARDS = sorted((ROOT / "deploy/grafana/dashboards").glob("*.json"))
RUNBOOK = ROOT / "docs/runbook.md"
NOT_OURS = {"up"}
WORDS = {"sum", "by", "rate", "increase", "scalar", "time", "abs", "ln", "absent", "and", "or"}


def queries() -> Iterator[str]:
    for path in DASHBOARDS:
        for panel in json.loads(path.read_text())["panels"]:
            yield from (target["expr"] for target in panel["targets"])
    yield from (rule["expr"] for rule in rules())


def rules() -> list[dict[str, str]]:
    groups = yaml.safe_load(ALERTS.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def used(query: str) -> Iterator[tuple[str, set[str]]]:
    """The metrics of a query with the labels asked of each in braces."""
    for name, braces in re.findall(r"\b([a-z_]{4,}|up)\b(?=[\[{) =>]|$)(\{[^}]*\})?", query):
        if name not in WORDS and not re.search(rf"by \([^)]*\b{name}\b", query):
            yield name, set(re.findall(r"(\w+)\s*[=!]~?", braces))


def metric_of(name: str) -> str:
    return re.sub(r"_(bucket|sum|count)$", "", name) if name not in BY_NAME else name


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_asks_for_what_there_is(query: str) -> None:
    found = dict(used(query))
    assert found
    for name, labels in found.items():
        if name not in NOT_OURS:
            metric = BY_NAME[metric_of(name)]
            assert labels <= {*metric.labels, "le"}
    ours = found.keys() - NOT_OURS
    known = {label for name in ours for label in BY_NAME[metric_of(name)].labels}
    for group in re.findall(r"by \(([^)]*)\)", query):
        assert set(group.split(", ")) <= known | {"le"}


def test_every_metric_is_on_a_dashboard_or_in_an_alert() -> None:
    asked = {metric_of(name) for query in queries() for name, _ in used(query)}
    unseen = {metric.name for metric in METRICS} - asked
    assert unseen <= {
        "adbid_bid_outcomes_total",
        "adbid_degraded_bundles_total",
        "adbid_rules_age_seconds",
        "adbid_traces_total",
    }


def test_every_alert_says_what_to_do() -> None:
    titles = set(re.findall(r"^## (\w+)", RUNBOOK.read_text(), re.MULTILINE))
    names = {rule["alert"] for rule in rules()}
    assert names == titles
    for rule in yaml.safe_load(ALERTS.read_text())["groups"][0]["rules"]:
        assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"


@pytest.mark.skipif(shutil.which("promtool") is None, reason="the package prometheus is missing")
def test_prometheus_takes_the_alerts() -> None:
    done = subprocess.run(
        ["promtool", "check", "rules", str(ALERTS)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


NIGHTS = """
rule_files: [{rules}]
evaluation_interval: 10m
tests:
  - interval: 10m
    input_series:
      - series: up{{job="adbid"}}
        values: 1x400
      # installed at hour 1; the first night that succeeds is at hour 30
      - series: adbid_nightly_success_timestamp_seconds
        values: _x5 3600x173 108000x200
    alert_rule_test:
      - {{eval_time: 20m, alertname: AdBidNoRetrain}}
      - eval_time: 40m
        alertname: AdBidNoRetrain
        exp_alerts: [{unknown}]
      - {{eval_time: 2h, alertname: AdBidNoRetrain}}
      - {{eval_time: 26h, alertname: AdBidNoRetrain}}
      - eval_time: 28h
        alertname: AdBidNoRetrain
        exp_alerts: [{alert}]
      - {{eval_time: 31h, alertname: AdBidNoRetrain}}
      - eval_time: 57h
        alertname: AdBidNoRetrain
        exp_alerts: [{alert}]
"""


@pytest.mark.skipif(shutil.which("promtool") is None, reason="the package prometheus is missing")
def test_a_fresh_installation_has_a_day_until_a_night_is_missed(tmp_path: Path) -> None:
    missed, unknown = (
        {"exp_labels": rule["labels"], "exp_annotations": rule["annotations"]}
        for rule in rules()
        if rule["alert"] == "AdBidNoRetrain"
    )
    file = tmp_path / "nights.yml"
    places = {"rules": str(ALERTS), "alert": missed, "unknown": unknown}
    file.write_text(NIGHTS.format(**{name: json.dumps(each) for name, each in places.items()}))
    command = ["promtool", "test", "rules", str(file)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
