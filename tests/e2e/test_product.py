"""The whole product, as a newcomer runs it: up, import, train, score over HTTP, down."""

import json
import math
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.ipinyou_log import ADVERTISERS, GOOD_SEGMENT, write_log

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
PORT = 18_000
URL = f"http://127.0.0.1:{PORT}"


class System:
    """A private system: its own home, its own block of ports."""

    def __init__(self, home: Path) -> None:
        stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
        self.environment = {k: v for k, v in os.environ.items() if k not in stores}
        self.environment["ADBID_HOME"] = str(home)

    def adbid(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [sys.executable, "-m", "cli.main", *arguments],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=400,
            check=False,
        )
        assert not check or done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done


@pytest.fixture(scope="module")
def system(system_home: Path) -> Iterator[System]:
    found = System(system_home)
    found.adbid("up", "--detach", "--port", str(PORT))
    yield found
    found.adbid("down", check=False)


@pytest.fixture(scope="module")
def trained(system: System, tmp_path_factory: pytest.TempPathFactory) -> System:
    """The system after a generated log was imported and learned from."""
    folder = tmp_path_factory.mktemp("logs")
    log = write_log(folder / "log.csv.gz", 6_000)
    first = json.loads(system.adbid("import", "ipinyou", str(log), "--json").stdout)
    again = json.loads(system.adbid("import", "ipinyou", str(log), "--json").stdout)
    assert (first["accepted"], again["already"]) == (6_000, True)
    models = json.loads(system.adbid("train", "--json").stdout)
    assert [(m["name"], m["version"], m["champion"]) for m in models] == [("adbid-ctr", "1", True)]
    return system


def score(**body: Any) -> httpx.Response:
    patient = {"tmax_ms": 5_000} | body  # what is tested here is the answer, not the machine
    return httpx.post(f"{URL}/api/score", json=patient, timeout=10)


def a_bid(**changes: Any) -> dict[str, Any]:
    return {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5} | changes


def test_the_readme_bundle_comes_back_ranked_by_value(system: System) -> None:
    answer = score(
        slot_id=7,
        device_type="mobile",
        bids=[
            a_bid(creative_type="banner"),
            a_bid(bid_id="b2", brand_id=1, pricing_model="CPM", amount=2.4),
            a_bid(bid_id="b3", brand_id=2, pricing_model="CPA", amount=20),
        ],
    )
    assert answer.status_code == 200, answer.text
    decision = answer.json()
    ranked = [result for result in decision["results"] if result["rank"] is not None]
    assert [result["rank"] for result in ranked] == list(range(1, len(ranked) + 1))
    assert [r["vpi"] for r in ranked] == sorted((r["vpi"] for r in ranked), reverse=True)
    assert decision["winner"]["bid_id"] == ranked[0]["bid_id"]
    assert decision["degraded"] == []


def test_an_unknown_slot_is_404_and_an_unknown_brand_is_a_no_bid(system: System) -> None:
    refused = score(slot_id=10**9, bids=[a_bid()])
    assert refused.status_code == 404
    assert refused.headers["content-type"] == "application/problem+json"
    stranger = {"bid_id": "b2", "brand": "nobody", "pricing_model": "CPC", "amount": 1}
    results = score(slot_id=7, bids=[a_bid(), stranger]).json()["results"]
    assert {r["bid_id"]: r["reason"] for r in results} == {"b1": None, "b2": "UNKNOWN_BRAND"}


def test_bad_input_over_http_names_the_field(system: System) -> None:
    answer = score(slot_id=7, bids=[a_bid(amount=-1)])
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "bids[0].amount"
    too_many = score(slot_id=7, bids=[a_bid(bid_id=f"b{n}") for n in range(1001)])
    assert too_many.status_code == 413
    not_json = httpx.post(f"{URL}/api/score", content=b"{", timeout=10)
    assert not_json.status_code == 422


def test_health_docs_and_openapi_are_there(system: System) -> None:
    assert httpx.get(f"{URL}/healthz", timeout=10).status_code == 200
    assert httpx.get(f"{URL}/docs", timeout=10).status_code == 200
    document = httpx.get(f"{URL}/openapi.json", timeout=10).json()
    schema = document["components"]["schemas"]["ScoreRequest"]
    assert set(schema["required"]) == {"bids"}


def a_logged_request(**changes: Any) -> dict[str, Any]:
    bids = [
        {"bid_id": brand, "brand": brand, "pricing_model": "CPC", "amount": 1.0}
        for brand in ADVERTISERS
    ]
    return {"slot": "slot-1", "device_type": "windows", "browser": "chrome", "bids": bids} | changes


def until_scored_by(version: str, **body: Any) -> dict[str, Any]:
    """The answer of the first bundle that this model version scored; within 15 s."""
    for _ in range(30):
        answer = score(**body)
        assert answer.status_code == 200, answer.text
        if answer.json()["models"]["ctr"] == version:
            found: dict[str, Any] = answer.json()
            return found
        time.sleep(0.5)
    raise AssertionError(f"no replica took version {version}")


def test_a_trained_model_answers_and_knows_the_good_segment(trained: System) -> None:
    plain = until_scored_by("1", **a_logged_request())
    assert "UNKNOWN_BRAND" not in {r["reason"] for r in plain["results"]}
    good = score(**a_logged_request(segments=[GOOD_SEGMENT])).json()
    without = {r["brand_id"]: r["quality_factor"] for r in plain["results"]}
    assert all(r["quality_factor"] > without[r["brand_id"]] for r in good["results"])


def test_who_looks_is_told_which_model_serves_though_no_bundle_comes_that_way(
    trained: System,
) -> None:
    """Bundles go to the first ingress, pages to the last; that one scores nothing by itself."""
    until_scored_by("1", **a_logged_request())
    ready: dict[str, Any] = {}
    for _ in range(20):
        ready = httpx.get(f"{URL}/readyz", timeout=10).json()
        if ready["models"]["ctr"] == "1":
            break
        time.sleep(0.5)
    assert ready == {"ready": True, "degraded": [], "models": {"ctr": "1", "cvr": None}}


def test_explained_factors_multiply_to_the_value(trained: System) -> None:
    answer = until_scored_by("1", **a_logged_request(explain=True, segments=[GOOD_SEGMENT]))
    for result in answer["results"]:
        product = math.prod(result["explain"]["factors"].values())
        assert product == pytest.approx(result["vpi"], rel=1e-9)


def test_a_model_is_judged_and_replayed_on_rows_it_has_not_seen(
    trained: System, tmp_path: Path
) -> None:
    fresh = str(write_log(tmp_path / "fresh.csv.gz", 4_000, seed=2))
    report = json.loads(trained.adbid("evaluate", fresh, "--json").stdout)
    auc = report["model"]["auc"]["value"]
    assert auc > report["baselines"]["constant"]["auc"]["value"] + 0.1
    assert report["left_out"] == 0
    bought = json.loads(trained.adbid("replay", fresh, "--budget", "100", "--json").stdout)
    clicks = {name: found["clicks"] for name, found in bought["policies"].items()}
    assert clicks["ours"] > clicks["constant"]


def test_a_second_up_is_the_same_system_and_down_leaves_no_process(system: System) -> None:
    system.adbid("up", "--detach", "--port", str(PORT))
    home = system.environment["ADBID_HOME"]
    system.adbid("down")
    left = [
        p for p in psutil.process_iter(["cmdline"]) if home in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []
