"""A real MLflow server on SQLite, as `adbid up` runs it, and registered models good and bad."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import httpx
import numpy as np
import xgboost as xgb
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from bidding.batch import ScoreBatch
from stores import model_files
from stores.model_files import BOOSTER, FACTS, ServingModel
from tests.servers import free_port

START_TIMEOUT_S = 120.0


@contextmanager
def mlflow_server(folder: Path) -> Iterator[str]:
    """Its URL."""
    port = free_port()
    environment = os.environ | {
        "MLFLOW_BACKEND_STORE_URI": f"sqlite:///{folder / 'mlflow.db'}",
        "MLFLOW_ARTIFACTS_DESTINATION": (folder / "artifacts").as_uri(),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    command = [sys.executable, "-m", "cli.embedded.mlflow_process", "server", "--workers", "1"]
    with (folder / "mlflow.log").open("wb") as log:
        process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)],
            env=environment,
            stdout=log,
            stderr=log,
        )
    try:
        _wait_for(f"http://127.0.0.1:{port}", process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        assert process.poll() is None, "mlflow server ended"
        assert time.monotonic() < deadline, "mlflow server did not start"
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)


def add_version(client: MlflowClient, name: str, files: Path | None) -> str:
    """A registered version of these files; of none, one whose artifact is missing."""
    try:
        client.create_registered_model(name)
    except MlflowException as error:
        assert error.error_code == "RESOURCE_ALREADY_EXISTS"  # noqa: PT017
    run = client.create_run("0")
    if files is not None:
        client.log_artifacts(run.info.run_id, str(files), "model")
    source = f"{run.info.artifact_uri}/model"
    return str(client.create_model_version(name, source, run_id=run.info.run_id).version)


def bad_files(kind: str, good: ServingModel, golden: ScoreBatch, folder: Path) -> Path | None:
    """The files of a model that no replica may serve."""
    if kind == "missing artifact":
        return None
    if kind == "wrong contract":
        good = replace(good, contract_hash="0" * 64)
    if kind == "ten times slower":
        good = replace(good, booster=_slow(good))
    model_files.save(folder, good, golden)
    if kind == "NaN":
        facts = json.loads((folder / FACTS).read_text()) | {"intercept": float("nan")}
        (folder / FACTS).write_text(json.dumps(facts))
    if kind == "corrupt file":
        whole = (folder / BOOSTER).read_bytes()
        (folder / BOOSTER).write_bytes(whole[: len(whole) // 2] + os.urandom(2_000))
    return folder


def _slow(good: ServingModel) -> xgb.Booster:
    """Many deep trees on the same columns."""
    rng = np.random.default_rng(3)
    rows = rng.uniform(0, 1000, (2_000, len(good.encoder.names))).astype(np.float32)
    data = xgb.DMatrix(rows, label=rng.integers(0, 2, len(rows)))
    rounds = 15 * good.booster.num_boosted_rounds()
    parameters = {"objective": "binary:logistic", "max_depth": 8, "eta": 0.01, "base_score": 0.5}
    return xgb.train(parameters, data, num_boost_round=rounds)
