"""`adbid models compare`: calibration of both sides, and how far they disagree in service."""

import asyncio
import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import psycopg
import pytest
from mlflow import MlflowClient
from typer.testing import CliRunner

from bidding.attribution import Outcome, OutcomeKey, Step
from cli.main import app
from deployments.challenger import Disagreement
from stores.audit import Author
from stores.live_quality import PostgresLiveQuality, ShadowRow
from stores.model_registry import CHALLENGER, CHAMPION, CTR_MODEL
from stores.open_keys import open_keys
from stores.outcome_rows import put_outcomes
from stores.postgres import Postgres
from stores.settings import Settings
from tests.decision_cases import a_decision
from tests.event_cases import HERE
from tests.live_service import live_service
from tests.mlflow_server import add_version, mlflow_server
from tests.servers import free_port

BUNDLES = 8


async def fill(postgres_url: str, redis_url: str) -> str:
    """Eight bundles scored by both, every second clicked; the token of a viewer."""
    at = datetime.now(UTC) - timedelta(hours=1)
    found = [a_decision(number, at + timedelta(minutes=number)) for number in range(BUNDLES)]
    postgres = Postgres(postgres_url, timeout_s=5)
    keys = [OutcomeKey(each.decision_id, "b1") for each in found]
    shown = [
        Outcome(
            key,
            HERE,
            False,
            Step(f"i{number}", at, Decimal(0)),
            Step(f"c{number}", at, Decimal(1)) if number % 2 == 0 else None,
        )
        for number, key in enumerate(keys)
    ]
    async with postgres.transaction() as connection:
        await put_outcomes(connection, {each.key: each for each in shown}, ())
    await PostgresLiveQuality(postgres).record_shadow(
        [
            ShadowRow(each.decision_id, CTR_MODEL, "b1", each.decided_at, "1", "2", 0.5, 0.25)
            for each in found
        ]
    )
    await postgres.aclose()
    async with open_keys(Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)) as made:
        return (await made.create("viewer", ["view"], Author("test"))).token


def two_versions(tracking: str, folder: Path) -> None:
    folder.mkdir()
    (folder / "x").write_text("x")
    client = MlflowClient(tracking)
    for alias in (CHAMPION, CHALLENGER):
        client.set_registered_model_alias(CTR_MODEL, alias, add_version(client, CTR_MODEL, folder))


def a_replica(number: int) -> dict[str, Any]:
    """One that scored a bundle of two bids by both: the first rate halved, the second kept."""
    differ = Disagreement(CTR_MODEL, "1", "2")
    differ.add(np.array([0.04, 0.03], np.float32), np.array([0.02, 0.03], np.float32))
    challengers = {"models": [], "disagreement": [asdict(differ)], "dropped": number}
    return {"replica": f"r{number}", "models": [], "challengers": challengers}


async def two_replicas() -> list[dict[str, Any]]:
    return [a_replica(1), a_replica(2)]


def compare(*options: str) -> str:
    done = CliRunner().invoke(app, ["models", "compare", CTR_MODEL, *options])
    assert done.exit_code == 0, done.output
    return done.stdout


def test_it_shows_calibration_of_both_and_how_far_they_disagree(
    tmp_path: Path, postgres_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with psycopg.connect(postgres_url) as connection:
        connection.execute("TRUNCATE outcome, shadow_score")
    token = asyncio.run(fill(postgres_url, redis_url))
    monkeypatch.setenv("ADBID_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("ADBID_KEY", token)
    with mlflow_server(tmp_path) as tracking:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking)
        two_versions(tracking, tmp_path / "model")
        with live_service(postgres_url, redis_url, tracking, two_replicas) as url:
            found = json.loads(compare("--json", "--url", url))
            monkeypatch.delenv("ADBID_KEY")
            admin_key = tmp_path / "home/secrets/admin-key"
            admin_key.parent.mkdir(parents=True)
            admin_key.write_text(token + "\n")
            shown = compare("--url", url)
            keyless = json.loads(compare("--json", "--url", url, "--key", "wrong"))
        away = json.loads(compare("--json", "--url", f"http://127.0.0.1:{free_port()}"))
    sides = {
        side: (found[side]["version"], found[side]["ratio"]) for side in (CHAMPION, CHALLENGER)
    }
    assert sides == {CHAMPION: ("1", 1.0), CHALLENGER: ("2", 0.5)}
    told = found["disagreement"]
    assert (told["bundles"], told["bids"], told["top_changed"], told["dropped"]) == (2, 4, 2, 3)
    assert told["mean_log_ratio"] == pytest.approx(np.log(2) / 2, rel=1e-6)
    assert "differ by 41.4% on average (geometric) and 100.0% at most" in shown
    assert "another bid has the highest rate in 2 bundles" in shown
    for missing, why in ((keyless, "scope view"), (away, "does not answer")):
        assert missing["disagreement"] is None
        assert why in missing["disagreement_unknown"]
        assert missing[CHALLENGER] == found[CHALLENGER]
