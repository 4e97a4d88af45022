"""A real MLflow server on SQLite, as `adbid up` runs it, and registered models good and bad."""

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
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


class _Broken(BaseHTTPRequestHandler):
    """Passes everything on but downloads of files, which fail."""

    def do_GET(self) -> None:
        if self.server.downloads_fail and "/mlflow-artifacts/artifacts/" in self.path:  # type: ignore[attr-defined]
            self._answer(503, b"{}", "application/json")
            return
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        url = self.server.upstream + self.path  # type: ignore[attr-defined]
        kind = {"content-type": self.headers.get("content-type", "application/json")}
        found = httpx.request(self.command, url, content=body, headers=kind, timeout=30)
        self._answer(found.status_code, found.content, found.headers.get("content-type", ""))

    def _answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def without_downloads(upstream: str) -> Iterator[tuple[str, ThreadingHTTPServer]]:
    """An MLflow that lists its files and does not give them, until `downloads_fail` is unset."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Broken)
    server.upstream = upstream  # type: ignore[attr-defined]
    server.downloads_fail = True  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server
    finally:
        server.shutdown()
        server.server_close()


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
    rounds = 25 * good.booster.num_boosted_rounds()
    parameters = {"objective": "binary:logistic", "max_depth": 8, "eta": 0.01, "base_score": 0.5}
    return xgb.train(parameters, data, num_boost_round=rounds)
