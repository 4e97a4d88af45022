"""The services under load: ours as `adbid up` runs it, and the peers under uvicorn."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from stores.settings import PROJECT_ROOT

WORKERS = 2
START_S = 240.0


@dataclass(slots=True)
class Service:
    """A running service at `url`; `processes` end with it."""

    name: str
    url: str
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    home: Path | None = None

    def stop(self) -> None:
        """End it."""
        for process in self.processes:
            process.terminate()
            process.wait(20)
        if self.home is not None:
            _adbid(self.home, {}, "down")


def up(name: str, home: Path, port: int, **environment: str) -> Service:
    """Our system with its own home and ports."""
    home.mkdir(parents=True, exist_ok=True)
    _adbid(home, environment, "up", "--detach", "--port", str(port))
    return Service(name, f"http://127.0.0.1:{port}", home=home)


def addresses(home: Path) -> dict[str, str]:
    """Where the stores of a running system are."""
    found: dict[str, str] = json.loads((home / "run/env.json").read_text())
    return found


def peer(name: str, target: str, port: int, environment: dict[str, str], *options: str) -> Service:
    """An ASGI application under uvicorn, two workers on uvloop."""
    command = [
        *(sys.executable, "-m", "uvicorn", target, "--host", "127.0.0.1", "--port", str(port)),
        *("--workers", str(WORKERS), "--loop", "uvloop", "--http", "httptools"),
        *("--log-level", "warning", "--no-access-log", *options),
    ]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env={**os.environ, **environment})
    service = Service(name, f"http://127.0.0.1:{port}", [process])
    wait_for(f"{service.url}/healthz")
    return service


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
