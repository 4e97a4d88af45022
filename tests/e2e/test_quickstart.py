"""`make docs-check`: docs/quickstart.md followed word for word on a system of its own.

It takes some minutes, so `make test` leaves it out and checks the commands one by one instead
(tests/test_docs.py).
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stores.settings import PROJECT_ROOT
from tests.ipinyou_log import write_log

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif("ADBID_FOLLOW_DOCS" not in os.environ, reason="`make docs-check` runs it"),
]
PORT = 16_400
URL = f"http://127.0.0.1:{PORT}"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def environment(system_home: Path) -> Iterator[dict[str, str]]:
    """A home and a block of ports; the log that the page names lies in the working folder."""
    stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    found = {name: value for name, value in os.environ.items() if name not in stores}
    found |= {"ADBID_HOME": str(system_home), "ADBID_PORT": str(PORT)}
    found["PATH"] = os.pathsep.join((str(BIN), found["PATH"]))
    yield found
    subprocess.run([BIN / "adbid", "down"], env=found, check=False, capture_output=True)


def blocks() -> list[str]:
    """What the page tells to type, in its order."""
    page = (PROJECT_ROOT / "docs/quickstart.md").read_text()
    return re.findall(r"^```sh\n(.*?)^```", page, re.MULTILINE | re.DOTALL)


def in_our_place(block: str, log: Path) -> str:
    """The same commands for this system: its port, its log, and no second installation."""
    replaced = {
        "127.0.0.1:8000": f"127.0.0.1:{PORT}",
        "impressions.csv.gz": str(log),
        "make up": "adbid up --detach",
        "make down": "adbid down",
        ". .venv/bin/activate": "true",
    }
    for said, ours in replaced.items():
        block = block.replace(said, ours)
    return block


def type_in(block: str, environment: dict[str, str]) -> str:
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def version_that_scores() -> str | None:
    """The CTR model's version that the next answer names."""
    bid = {"bid_id": "b", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
    body = {"slot_id": 7, "tmax_ms": 1000, "bids": [bid]}
    found: str | None = httpx.post(f"{URL}/api/score", json=body).json()["models"]["ctr"]
    return found


def until_scored_by(version: str) -> None:
    for _ in range(40):
        if version_that_scores() == version:
            return
        time.sleep(0.5)
    raise AssertionError(f"answers name {version_that_scores()}, not {version}")


def test_the_quickstart_does_what_it_says(environment: dict[str, str], tmp_path: Path) -> None:
    log = write_log(tmp_path / "impressions.csv.gz", 6_000)
    started = time.monotonic()
    for block in blocks():
        printed = type_in(in_our_place(block, log), environment)
        print(f"{time.monotonic() - started:6.1f} s\n{block}\n{printed}")
        if "retrain" in block:
            until_scored_by("2" if "models list" in block else "1")
        if "models promote" in block:
            until_scored_by("1")
            _promote_by_the_mlflow_client(environment)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{URL}/healthz")


def _promote_by_the_mlflow_client(environment: dict[str, str]) -> None:
    """examples/promote.py, with nothing but the tracking server's address."""
    tracking = f"http://127.0.0.1:{PORT + 10}"
    example = f"python examples/promote.py --tracking-uri {tracking} --version 2"
    type_in(example, environment)
    until_scored_by("2")
