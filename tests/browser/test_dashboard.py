"""The dashboard in a real Chromium against the real running service: frontend/e2e.

`ADBID_PICTURES=docs/images` also writes the screenshots that the README shows.
"""

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.browser.dashboard_tools import ROOT, build_dashboard, find_chromium, pnpm
from tests.ipinyou_log import write_log

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(900),
    pytest.mark.skipif(find_chromium() is None, reason="no Chromium on this machine"),
]
PORT = 18_400
URL = f"http://127.0.0.1:{PORT}"
BUNDLES = 200
# Two days in four seconds: enough to fit a model on, too little for the gate.
FIRST_DAYS = ("--rate", "300", "--duration", "48h", "--speed", "43200")
REFUSED = 2  # the exit code of a run whose version the gate refused
# A simulated week in 13 seconds: a value for most hours.
WEEK = ("--rate", "100", "--duration", "7d", "--speed", "46523")
# What goes on while people look: a little, in real time, for longer than they do.
TRICKLE = ("--rate", "6", "--duration", "15m")
CHALLENGE = ("--alias", "challenger", "--reason", "how does it do on live traffic?")
MODEL_WITHIN_S = 30.0
LOGGED_S = 2.0


class Service:
    """A private system under its own home, with keys and something to look at."""

    def __init__(self, home: Path) -> None:
        stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
        kept = {name: value for name, value in os.environ.items() if name not in stores}
        self.environment = kept | {"ADBID_HOME": str(home)}
        self._key_file = home / "secrets" / "admin-key"

    def adbid(self, *arguments: str, code: int = 0) -> str:
        command = [sys.executable, "-m", "cli.main", *arguments]
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == code, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def begin(self, *arguments: str) -> subprocess.Popen[bytes]:
        """A command that goes on beside the others."""
        command = [sys.executable, "-m", "cli.main", *arguments]
        quiet = subprocess.DEVNULL
        return subprocess.Popen(command, env=self.environment, stdout=quiet, stderr=quiet)

    def lay_past(self) -> None:
        command = [sys.executable, "-m", "tests.browser.past"]
        subprocess.run(command, env=self.environment, cwd=ROOT, check=True, timeout=60)

    def pids(self) -> dict[str, int]:
        """The processes of the parts, by name."""
        parts = json.loads(self.adbid("status", "--json"))["parts"]
        return {part["name"]: part["pid"] for part in parts if part["pid"]}

    @property
    def admin_key(self) -> str:
        return self._key_file.read_text().strip()

    def make_key(self, name: str, scope: str) -> str:
        made = json.loads(self.adbid("keys", "create", name, "--scope", scope, "--json"))
        return str(made["key"])


@pytest.fixture(scope="module")
def service(system_home: Path) -> Iterator[Service]:
    build_dashboard()
    found = Service(system_home)
    found.adbid("up", "--detach", "--port", str(PORT))
    try:
        with live(found, system_home):
            yield found
    finally:
        found.adbid("down")


@contextmanager
def live(found: Service, home: Path) -> Iterator[None]:
    """A version that the gate refused, two models, the second a challenger, a past, and traffic
    that goes on."""
    found.adbid("simulate", *FIRST_DAYS, "--key", found.admin_key)
    found.adbid("retrain", "--now", code=REFUSED)
    log = write_log(home / "log.csv.gz", 6_000)
    found.adbid("import", "ipinyou", str(log), "--json")
    found.adbid("train", "--json")
    found.adbid("train", "--json")
    found.adbid("simulate", *WEEK, "--key", found.admin_key)
    with httpx.Client(base_url=URL, timeout=20) as client:
        client.headers["authorization"] = f"Bearer {found.admin_key}"
        wait_for_model(client)
        drive(client)
    time.sleep(LOGGED_S)
    found.lay_past()
    found.adbid("models", "promote", "adbid-ctr", "3", *CHALLENGE)
    traffic = found.begin("simulate", *TRICKLE, "--seed", "2", "--key", found.admin_key)
    try:
        yield
    finally:
        traffic.terminate()
        traffic.wait(timeout=30)


def wait_for_model(client: httpx.Client) -> None:
    """Until the service answers with a CTR model."""
    deadline = time.monotonic() + MODEL_WITHIN_S
    bundle = a_bundle(random.Random(1))
    while client.post("/api/score", json=bundle).json()["models"]["ctr"] is None:
        assert time.monotonic() < deadline, "no model is served"
        time.sleep(0.5)


def drive(client: httpx.Client) -> None:
    """An evening of an ad server: bundles, impressions of the winners, a few clicks."""
    chance = random.Random(6)
    events: list[dict[str, Any]] = []
    for number in range(BUNDLES):
        decision = client.post("/api/score", json=a_bundle(chance)).json()
        winner = decision["winner"]
        if winner is None:
            continue
        kinds = ["impression", *(["click"] if chance.random() < 0.2 else [])]
        events += [
            {
                "event_id": f"{kind}-{number}",
                "type": kind,
                "decision_id": decision["decision_id"],
                "bid_id": winner["bid_id"],
                "occurred_at": datetime.now(UTC).isoformat(),
            }
            for kind in kinds
        ]
    assert client.post("/api/events", json={"events": events}).status_code == 202


def a_bundle(chance: random.Random) -> dict[str, Any]:
    offers = [("CPM", 2.4), ("CPC", 0.5), ("CPA", 0.9), ("CPM", 0.3), ("CPC", 0.2), ("CPC", 1)]
    bids = [
        {
            "bid_id": f"b{brand}",
            "brand_id": brand,
            "pricing_model": model,
            "amount": round(amount * chance.uniform(0.1, 1.6), 4),
            "creative_type": "banner",
        }
        for brand, (model, amount) in enumerate(offers, start=1)
    ]
    return {
        "slot_id": chance.randint(1, 8),
        "device_type": chance.choice(["mobile", "desktop", "tablet"]),
        "tmax_ms": 2_000,
        "bids": bids,
    }


def test_every_page_and_journey_in_a_browser(service: Service) -> None:
    pictures = os.environ.get("ADBID_PICTURES")
    pnpm(
        "e2e",
        timeout_s=700,
        ADBID_URL=URL,
        ADBID_ADMIN_KEY=service.admin_key,
        ADBID_VIEW_KEY=service.make_key("viewer", "view"),
        ADBID_PIDS=json.dumps(service.pids()),
        **({"ADBID_PICTURES": str(ROOT / pictures)} if pictures else {}),
    )
