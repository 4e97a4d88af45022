"""The whole product, as a newcomer runs it: up, import, train, score over HTTP, down."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(420)]
PORT = 18_800
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
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    home = tmp_path_factory.mktemp("adbid")
    home.chmod(0o755)
    home.parent.chmod(0o755)
    found = System(home)
    found.adbid("up", "--detach", "--port", str(PORT))
    yield found
    found.adbid("down", check=False)


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


def test_a_second_up_is_the_same_system_and_down_leaves_no_process(system: System) -> None:
    system.adbid("up", "--detach", "--port", str(PORT))
    home = system.environment["ADBID_HOME"]
    system.adbid("down")
    left = [
        p for p in psutil.process_iter(["cmdline"]) if home in " ".join(p.info["cmdline"] or ())
    ]
    assert left == []
