"""What a replayed image holds, and whether each of its roles does its job.

Real stores are started beside it, as the image expects them to be given.
"""

import os
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psycopg

from stores.migrating import pending_revisions
from tests.servers import PostgresProcess, RedisProcess, free_port

PROJECT = Path(__file__).resolve().parents[1]
ROLE = ["python", "-m", "cli.container"]
COMPILERS = {"gcc", "g++", "cc", "c++", "clang", "ld", "rustc", "cargo", "go", "node", "npm"}
CUDA = ("libcuda", "libcudart", "libcublas", "libnccl")
BID = {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5}
Spawn = Callable[[list[str], dict[str, str]], "subprocess.Popen[bytes]"]


def unwanted(app: Path) -> list[str]:
    """Compilers, development packages and CUDA libraries below the image's /app."""
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))
    needed = {_name(each) for each in project["project"]["dependencies"]}
    dev = {_name(each) for each in project["dependency-groups"]["dev"]} - needed
    found = []
    for path in app.rglob("*"):
        if path.name in COMPILERS and path.is_file() and os.access(path, os.X_OK):
            found.append(f"compiler {path}")
        if path.name.startswith(CUDA) or (
            path.suffix == ".dist-info" and path.name.startswith("nvidia_")
        ):
            found.append(f"CUDA {path}")
        if path.suffix == ".dist-info" and _name(path.name.rsplit("-", 1)[0]) in dev:
            found.append(f"development package {path.name}")
    return found


def _name(requirement: str) -> str:
    """A package's name, as all spellings of it agree on."""
    letters = requirement.replace("_", "-").lower()
    return letters.split(";")[0].split("[")[0].split(">")[0].split("=")[0].split("<")[0].strip()


def sizes(app: Path) -> dict[str, int]:
    """Bytes of the image's own content, in all and of its largest packages."""
    packages = next(app.glob(".venv/lib/python3*/site-packages"))
    found = {path.name: _bytes(path) for path in packages.iterdir() if path.is_dir()}
    largest = sorted(found.items(), key=lambda each: -each[1])[:8]
    return {"/app": _bytes(app), **dict(largest)}


def _bytes(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if path.is_file())


def check_roles(spawn: Spawn, folder: Path) -> None:
    """Run every role on stores of its own. Raises `SystemExit` at the first that fails."""
    folder.mkdir()
    folder.chmod(0o755)
    postgres, redis = PostgresProcess(folder / "postgres"), RedisProcess(folder / "redis")
    postgres.start()
    redis.start()
    try:
        with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
            connection.execute("CREATE DATABASE adbid")
        tracking, service = free_port(), _base_port()
        stores = {"DATABASE_URL": postgres.url("adbid"), "REDIS_URL": redis.url}
        stores["MLFLOW_TRACKING_URI"] = f"http://127.0.0.1:{tracking}"
        _migrate(spawn, stores)
        place = ["--host", "127.0.0.1", "--port", str(tracking)]
        with _running(spawn, "mlflow", place, stores, f"{stores['MLFLOW_TRACKING_URI']}/health"):
            url = f"http://127.0.0.1:{service}"
            place = ["--host", "127.0.0.1", "--port", str(service)]
            with _running(spawn, "serve", place, stores, f"{url}/healthz"):
                _serves(spawn, url)
                _retrain(spawn, stores)
    finally:
        redis.stop()
        postgres.kill()


def _base_port() -> int:
    """A system takes a block of 200 ports: one far from those that are given out at random."""
    return 15_800


def _migrate(spawn: Spawn, stores: dict[str, str]) -> None:
    _expect(spawn([*ROLE, "migrate"], stores).wait(300) == 0, "migrate failed")
    lacking = pending_revisions(stores["DATABASE_URL"])
    _expect(not lacking, f"migrate left the schema without {lacking}")
    print("migrate: the schema is at its head", flush=True)


@contextmanager
def _running(
    spawn: Spawn, role: str, arguments: list[str], stores: dict[str, str], health: str
) -> Iterator[None]:
    started = time.monotonic()
    process = spawn([*ROLE, role, *arguments], stores)
    try:
        while not _answers(health):
            _expect(process.poll() is None, f"{role} ended with {process.returncode}")
            _expect(time.monotonic() - started < 400, f"{role}: {health} does not answer")
            time.sleep(0.5)
        print(f"{role}: {health} answers 200 after {time.monotonic() - started:.0f} s", flush=True)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(120)
    _expect(process.returncode in (0, -signal.SIGTERM, 143), f"{role}: {process.returncode}")


def _serves(spawn: Spawn, url: str) -> None:
    health = spawn([*ROLE, "health"], {"ADBID_HEALTH_URL": f"{url}/healthz"})
    _expect(health.wait(60) == 0, "the image's HEALTHCHECK fails")
    body = {"slot_id": 7, "tmax_ms": 3000, "bids": [BID]}
    answer = httpx.post(f"{url}/api/score", json=body, timeout=30, trust_env=False)
    _expect(answer.status_code == 200, f"/api/score answers {answer.status_code}: {answer.text}")
    page = httpx.get(url, timeout=30, trust_env=False)
    _expect("<!doctype html>" in page.text.lower(), "there is no dashboard")
    print(f"serve: winner {answer.json()['winner']['bid_id']}, dashboard and HEALTHCHECK answer")


def _retrain(spawn: Spawn, stores: dict[str, str]) -> None:
    """An empty installation: the run is made, fails for want of history, and says so."""
    code = spawn([*ROLE, "retrain"], stores).wait(400)
    with psycopg.connect(stores["DATABASE_URL"]) as connection:
        row = connection.execute("SELECT status, error FROM training_run").fetchone()
    said = row is not None and row[0] == "FAILED" and "no history" in str(row[1])
    _expect(code == 1 and said, f"retrain ended with {code}: {row}")
    print(f"retrain: exit code 1, {row and row[1]!r}", flush=True)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=3, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _expect(holds: bool, otherwise: str) -> None:
    if not holds:
        raise SystemExit(otherwise)
