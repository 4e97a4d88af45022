"""The services under load: ours as `adbid up` runs it, and the peers under uvicorn."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from benchmarks.bodies import SCORE, records
from stores.settings import PROJECT_ROOT

WORKERS = 2
START_S = 240.0
DEGRADED = "adbid_degraded_bundles_total"
# Until what a replica counted is in `/metrics`.
REPORTED_S = 6.0


BENTOML = PROJECT_ROOT / ".tools" / "peers" / "bin" / "bentoml"


def as_it_is(body: dict[str, Any]) -> dict[str, Any]:
    """The body unchanged."""
    return body


@dataclass(slots=True)
class Service:
    """A running service at `url`; `processes` end with it.

    It takes a bundle at `route`, in the `shape` that it wants it in.
    """

    name: str
    url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    home: Path | None = None
    route: str = SCORE
    shape: Callable[[dict[str, Any]], dict[str, Any]] = as_it_is

    def stop(self) -> None:
        """End it."""
        for process in self.processes:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(20)
        if self.home is not None:
            _adbid(self.home, {}, "down")

    def ask(self, body: dict[str, Any], timeout_s: float = 30.0) -> dict[str, Any]:
        """Its answer to one bundle. Raises `httpx.HTTPError`."""
        answer = httpx.post(f"{self.url}{self.route}", json=self.shape(body), timeout=timeout_s)
        answer.raise_for_status()
        found: dict[str, Any] = answer.json()
        return found


def up(name: str, home: Path, port: int, **environment: str) -> Service:
    """Our system with its own home and ports."""
    home.mkdir(parents=True, exist_ok=True)
    _adbid(home, environment, "up", "--detach", "--port", str(port))
    return Service(name, f"http://127.0.0.1:{port}", home=home)


def addresses(home: Path) -> dict[str, str]:
    """Where the stores of a running system are."""
    found: dict[str, str] = json.loads((home / "run/env.json").read_text())
    return found


def memory_mib(service: Service) -> float:
    """What our whole system takes now: shared pages counted once (PSS)."""
    assert service.home is not None
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", "status", "--json"],
        env=os.environ | {"ADBID_HOME": str(service.home)},
        capture_output=True,
        text=True,
        check=True,
    )
    return float(json.loads(done.stdout)["memory_bytes"]) / 2**20


def degraded(service: Service) -> float:
    """How many of our answers so far went without a store or the models."""
    assert service.home is not None
    time.sleep(REPORTED_S)
    key = (service.home / "secrets/admin-key").read_text().strip()
    headers = {"Authorization": f"Bearer {key}"}
    lines = httpx.get(f"{service.url}/metrics", headers=headers, timeout=30).text.splitlines()
    (count,) = (line.split()[1] for line in lines if line.startswith(DEGRADED + " "))
    return float(count)


def peer(name: str, target: str, port: int, environment: dict[str, str], *options: str) -> Service:
    """An ASGI application under uvicorn, two workers on uvloop."""
    command = [
        *(sys.executable, "-m", "uvicorn", target, "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools"),
        *("--log-level", "warning", "--no-access-log", *options),
    ]
    service = Service(name, f"http://127.0.0.1:{port}", [_start(command, environment)])
    wait_for(f"{service.url}/healthz")
    return service


def bentoml(name: str, port: int, environment: dict[str, str]) -> Service:
    """The BentoML peer; it lives in an environment of its own, which `make bench` makes."""
    service = "benchmarks.peers.bento_service:Ranking"
    command = [str(BENTOML), "serve", service, "--host", "127.0.0.1", "--port", str(port)]
    own = {"PYTHONPATH": str(PROJECT_ROOT), "BENTOML_DO_NOT_TRACK": "True"}
    process = _start(command, environment | own, chatty=True)
    started = Service(name, f"http://127.0.0.1:{port}", [process])
    wait_for(f"{started.url}/readyz")
    return started


def mlflow_server(name: str, port: int, model: Path, environment: dict[str, str]) -> Service:
    """`mlflow models serve` on a saved python model."""
    here = Path(sys.executable).parent
    command = [str(here / "mlflow"), "models", "serve", "--model-uri", str(model)]
    command += ["--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)]
    command += ["--workers", str(WORKERS)]
    path = os.pathsep.join((str(here), os.environ["PATH"]))
    own = {"PYTHONPATH": str(PROJECT_ROOT), "PATH": path, "MLFLOW_DISABLE_TELEMETRY": "true"}
    started = Service(
        name,
        f"http://127.0.0.1:{port}",
        [_start(command, environment | own, chatty=True)],
        route="/invocations",
        shape=records,
    )
    wait_for(f"{started.url}/health")
    return started


def _start(
    command: list[str], environment: dict[str, str], *, chatty: bool = False
) -> "subprocess.Popen[bytes]":
    """A process group of its own, so that workers end with their parent.

    What a `chatty` one says while all is well is not shown.
    """
    return subprocess.Popen(
        command,
        cwd=PROJECT_ROOT,
        env={**os.environ, **environment},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if chatty else None,
    )


def wait_for(url: str) -> None:
    """Until it answers 200. Raises `TimeoutError`."""
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            if httpx.get(url, timeout=2).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{url} does not answer")


def _adbid(home: Path, environment: dict[str, str], *arguments: str) -> None:
    stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    inherited = {key: value for key, value in os.environ.items() if key not in stores}
    subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments],
        env=inherited | environment | {"ADBID_HOME": str(home)},
        cwd=PROJECT_ROOT,
        check=True,
        stdout=subprocess.DEVNULL,
    )
