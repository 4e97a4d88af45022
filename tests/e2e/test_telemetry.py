"""What is seen of the running service: one trace across its processes, its metrics by PromQL."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from deployments.metrics import METRICS
from tests.chaos.system import until
from tests.otlp import Receiver, Span, receiving, tree
from tests.servers import free_port
from tests.slow_head import trickle_head
from tests.unit.test_alerts import ALERTS, metric_of, queries, rules, used

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
PORT = 19_100
URL = f"http://127.0.0.1:{PORT}"
DOCS = ALERTS.parents[2] / "docs/metrics.md"
PARENT = "4bf92f3577b34da6a3ce929d0e0e4736"
NIGHT = "adbid_nightly_success_timestamp_seconds"
P95 = "histogram_quantile(0.95, sum by (le) (rate(score_latency_seconds_bucket[1m])))"


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture(scope="module", autouse=True)
def system(system_home: Path, receiver: Receiver) -> Iterator[None]:
    """The embedded system, exporting to the receiver."""
    stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    environment = {name: value for name, value in os.environ.items() if name not in stores} | {
        "ADBID_HOME": str(system_home),
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.url,
        "OTEL_TRACES_SAMPLER_ARG": "0",
        "OTEL_BSP_SCHEDULE_DELAY": "200",
    }
    adbid = [sys.executable, "-m", "cli.main"]
    up = subprocess.run(
        [*adbid, "up", "--detach", "--port", str(PORT)],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    try:
        assert up.returncode == 0, f"{up.stdout}\n{up.stderr}"
        yield
    finally:
        subprocess.run([*adbid, "down"], env=environment, capture_output=True, check=False)


def score(headers: dict[str, str] | None = None, **body: Any) -> httpx.Response:
    bid = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
    patient: dict[str, Any] = {"slot_id": 7, "tmax_ms": 5_000, "bids": [bid]}
    return httpx.post(f"{URL}/api/score", json=patient | body, headers=headers, timeout=15)


def test_one_trace_goes_from_the_bundle_to_the_queries_behind_it(receiver: Receiver) -> None:
    """A slot nobody asked for yet: Redis has nothing of it, PostgreSQL has."""
    answer = score({"traceparent": f"00-{PARENT}-00f067aa0ba902b7-01"}, slot_id=3)
    assert answer.status_code == 200
    assert answer.json()["degraded"] == []
    assert answer.headers["x-trace-id"] == PARENT
    assert answer.headers["traceresponse"].split("-")[1] == PARENT
    spans = receiver.wait_for(PARENT)
    assert tree(spans, "00f067aa0ba902b7") == {
        "POST /api/score": {
            "features": {"features.fetch_slots": {"redis": {}, "postgres": {}}},
            "scoring": {"scoring.score": {"predict ctr": {}, "predict cvr": {}}},
        }
    }
    by_service = {span.service: span.pid for span in spans}
    assert set(by_service) == {"adbid-ingress", "adbid-features", "adbid-scoring"}
    assert len(set(by_service.values())) == 3


def test_only_what_is_worth_it_is_exported(receiver: Receiver) -> None:
    plain = score()
    late = score(tmax_ms=1, slot_id=4)
    assert (plain.status_code, late.status_code) == (200, 200)

    def is_whole(spans: list[Span]) -> bool:
        return any(span.name == "POST /api/score" for span in spans)

    assert is_whole(receiver.wait_for(late.headers["x-trace-id"], is_whole))
    assert receiver.of(plain.headers["x-trace-id"]) == []


def series() -> dict[str, list[dict[str, str]]]:
    """The labels of every series that is served now, by metric."""
    found: dict[str, list[dict[str, str]]] = defaultdict(list)
    for line in httpx.get(f"{URL}/metrics", timeout=10).text.splitlines():
        if not line.startswith("#"):
            name, braces = re.findall(r"^(\w+)(?:\{(.*)\})? ", line)[0]
            found[metric_of(name)].append(dict(re.findall(r'(\w+)="([^"]*)"', braces)))
    return found


def documented_values() -> dict[str, set[str]]:
    """The values of the labels that mean the same in every metric, as our page lists them."""
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", DOCS.read_text(), re.MULTILINE)
    alike = ("part", "queue", "store", "verdict", "limit")
    return {label: set(re.findall(r"`(\w+)`", says)) for label, says in rows if label in alike}


def test_what_is_served_is_what_is_documented() -> None:
    assert score().status_code == 200
    time.sleep(2.5)  # replicas report once a second
    text = httpx.get(f"{URL}/metrics", timeout=10).text
    found = series()
    assert re.findall(r"^# TYPE (\w+) (\w+)", text, re.MULTILINE) == [
        (metric.name, metric.kind) for metric in METRICS
    ]
    values = documented_values()
    assert len(values) == 5
    for metric in METRICS:
        for labels in found[metric.name]:
            assert labels.keys() - {"le"} == set(metric.labels), metric.name
            for label in labels.keys() & values.keys():
                assert labels[label] in values[label], (metric.name, labels)
    deployments = {each["deployment"] for each in found["adbid_replicas"]}
    assert deployments == {"Ingress", "Features", "Scoring", "Rollup"}
    drops = {each["reason"] for each in found["adbid_decision_log_dropped_total"]}
    assert drops == {"queue_full", "refused", "failed", "shutdown", "bids_queue_full"}


def test_readiness_names_what_is_missing_and_health_does_not_mind() -> None:
    """Nothing was trained here, so there is no model."""
    assert httpx.get(f"{URL}/healthz").json() == {"status": "ok"}
    ready = httpx.get(f"{URL}/readyz")
    assert ready.status_code == 200
    assert ready.json() == {
        "ready": True,
        "degraded": ["models"],
        "models": {"ctr": None, "cvr": None},
    }


def test_every_route_answers_with_its_trace() -> None:
    sent = {"traceparent": f"00-{PARENT}-00f067aa0ba902b7-00"}
    for path in ("/healthz", "/metrics", "/api/models", "/no-such-page"):
        assert httpx.get(f"{URL}{path}", headers=sent).headers["x-trace-id"] == PARENT


def test_a_head_that_trickles_is_ended_by_the_proxy() -> None:
    said, after_s = trickle_head(PORT, patience_s=25)
    assert said.startswith(b"HTTP/1.1 408")
    assert 8 < after_s < 15


def test_a_client_does_not_choose_the_address_that_its_sign_ins_count_for() -> None:
    began = time.monotonic()
    with httpx.Client(base_url=URL) as client:
        said = [
            client.post(
                "/api/session",
                json={"key": "wrong"},
                headers={"x-forwarded-for": f"10.0.0.{number}"},
            ).status_code
            for number in range(40)
        ]
    took_s = time.monotonic() - began
    assert set(said[:10]) == {401}
    assert 429 in said[-2:]  # one may come just when another is allowed
    # ten by both ingresses together, and one for each second that this takes
    assert said.count(401) <= 11 + took_s


@contextmanager
def a_prometheus(folder: Path) -> Iterator[str]:
    """A real Prometheus that scrapes the service every second."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s, evaluation_interval: 1s}\n"
        f"rule_files: ['{ALERTS}']\n"
        "scrape_configs:\n"
        f"- {{job_name: adbid, static_configs: [{{targets: ['127.0.0.1:{PORT}']}}]}}\n"
    )
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ],
        stderr=subprocess.DEVNULL,
    )
    url = f"http://127.0.0.1:{port}"
    try:
        assert until(lambda: is_ready(url), 60)
        yield url
    finally:
        process.terminate()
        process.wait(10)


def is_ready(prometheus: str) -> bool:
    """While it starts it answers 503, and in words."""
    try:
        return httpx.get(f"{prometheus}/-/ready", timeout=5).status_code == 200
    except httpx.HTTPError:
        return False


def ask(prometheus: str, query: str) -> float | None:
    """The value of a query with one answer, None while there is none."""
    try:
        found = httpx.get(f"{prometheus}/api/v1/query", params={"query": query}, timeout=5).json()
        return float(found["data"]["result"][0]["value"][1])
    except (httpx.HTTPError, LookupError):
        return None


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="the package prometheus is missing")
def test_a_real_prometheus_tells_the_p95(tmp_path: Path) -> None:
    with a_prometheus(tmp_path) as prometheus:
        deadline = time.monotonic() + 60
        p95, asked = None, 0
        while time.monotonic() < deadline and not (p95 and p95 > 0):
            score()
            asked += 1
            time.sleep(0.1)
            p95 = ask(prometheus, P95)
        assert p95 is not None
        assert 0 < p95 < 5
        assert (ask(prometheus, 'sum(bid_requests_total{model="CPC"})') or 0) > 0
        assert ask(prometheus, 'adbid_store_up{store="postgres"}') == 1
    print(f"P95 by PromQL after {asked} bundles: {p95 * 1000:.1f} ms")


@pytest.mark.skipif(shutil.which("prometheus") is None, reason="the package prometheus is missing")
def test_a_real_prometheus_evaluates_every_alert_and_every_panel(tmp_path: Path) -> None:
    with a_prometheus(tmp_path) as prometheus:
        deadline = time.monotonic() + 60
        evaluated: list[dict[str, Any]] = []
        while time.monotonic() < deadline and not (evaluated and ask(prometheus, NIGHT)):
            score()
            time.sleep(0.5)
            evaluated = evaluated_rules(prometheus)
        assert ask(prometheus, NIGHT)
        time.sleep(3)  # evaluated once more
        evaluated = evaluated_rules(prometheus)
        assert [rule["name"] for rule in evaluated] == [rule["alert"] for rule in rules()]
        assert [rule["health"] for rule in evaluated] == ["ok"] * len(evaluated)
        for query in queries():
            asked = {"query": query.replace("$__rate_interval", "1m")}
            answer = httpx.get(f"{prometheus}/api/v1/query", params=asked, timeout=10)
            assert answer.json()["status"] == "success", query
    assert firing(evaluated) == set()  # never trained, but installed only just now
    served = series().keys() | {"up"}
    absent = {metric_of(name) for query in queries() for name, _ in used(query)} - served
    assert absent == {
        # of models, and there is none here
        "adbid_gate_verdicts",
        "adbid_model_calibration_ratio",
        "adbid_model_info",
        "adbid_model_trained_timestamp_seconds",
    }


def evaluated_rules(prometheus: str) -> list[dict[str, Any]]:
    try:
        found = httpx.get(f"{prometheus}/api/v1/rules", timeout=5).json()["data"]["groups"]
    except (httpx.HTTPError, LookupError):
        return []
    return [rule for group in found for rule in group["rules"]]


def firing(evaluated: list[dict[str, Any]]) -> set[str]:
    return {rule["name"] for rule in evaluated if rule["state"] == "firing"}
