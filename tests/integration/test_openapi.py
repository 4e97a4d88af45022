"""What `/openapi.json` says is what the service does, by schemathesis with every check."""

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from stores.audit import Author
from stores.key_types import SCOPES
from stores.open_keys import open_keys
from stores.settings import Settings
from tests.live_service import live_service
from tests.mlflow_server import mlflow_server

pytestmark = pytest.mark.timeout(700)
CONFIG = Path(__file__).parents[1] / "schemathesis.toml"
RUNS = "/api/training/runs"
SCHEMATHESIS = Path(sys.executable).parent / "schemathesis"


@pytest.fixture(scope="module")
def url(
    postgres_url: str, redis_url: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    with (
        mlflow_server(tmp_path_factory.mktemp("mlflow")) as tracking,
        live_service(postgres_url, redis_url, tracking) as found,
    ):
        yield found


@pytest.fixture(scope="module")
def token(postgres_url: str, redis_url: str) -> str:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)

    async def create() -> str:
        async with open_keys(settings) as keys:
            return (await keys.create("fuzz", SCOPES, Author("test"))).token

    return asyncio.run(create())


def run(url: str, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCHEMATHESIS), "--config-file", str(CONFIG), "run", f"{url}/openapi.json"]
    # How long inventing a request takes, and how many are none, says nothing of the service.
    patient = ("--suppress-health-check", "too_slow,filter_too_much", "--request-timeout", "60")
    # Starting a training takes a cluster, which is not here: it would truly answer 503.
    options = ("--checks", "all", "--no-color", "--exclude-path", RUNS, *patient, *options)
    return subprocess.run(
        [*command, *options], capture_output=True, text=True, timeout=600, check=False
    )


def test_with_a_key_every_operation_does_what_it_says(url: str, token: str) -> None:
    done = run(url, "-H", f"Authorization: Bearer {token}", "-n", "8")
    assert done.returncode == 0, done.stdout[-6000:]


def test_without_a_key_every_operation_says_so(url: str) -> None:
    done = run(url, "-n", "3", "--phases", "fuzzing")
    assert done.returncode == 0, done.stdout[-6000:]


def test_every_operation_has_a_name_and_says_how_it_refuses(url: str) -> None:
    paths = httpx.get(f"{url}/openapi.json").json()["paths"]
    operations = [each for methods in paths.values() for each in methods.values()]
    names = [operation["operationId"] for operation in operations]
    assert len(set(names)) == len(names)
    for operation in operations:
        for status, response in operation["responses"].items():
            if status >= "400":
                assert list(response["content"]) == ["application/problem+json"], operation
