"""Real servers for tests: one PostgreSQL and one Redis per run, empty ones per test module.

- `postgres_url`: a database of the module's own, made by the real migrations and seeded.
- `empty_postgres_url`: the same without the seed.
- `bare_postgres_url`: a database without any table.
- `redis_url`: the run's Redis, flushed before each module.
"""

import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import psycopg
import pytest
import redis

from stores.migrating import migrate
from stores.seed import seed
from tests.folders import open_folder
from tests.servers import PostgresProcess, RedisProcess

# A machine that is busy for a second is slow to generate, and no fault of what is tested.
hypothesis.settings.register_profile(
    "any machine", suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")
# Whole systems are started when the browser is done: its own one trains, behind all else that runs.
_FOLDERS = ("browser", "contract", "golden", "integration", "e2e")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=_turn_of)


def _turn_of(item: pytest.Item) -> int:
    folder = item.path.parent.name
    return _FOLDERS.index(folder) if folder in _FOLDERS else len(_FOLDERS)


@pytest.fixture(scope="module", autouse=True)
def _environment_as_before() -> Iterator[None]:
    """MLflow keeps the server that it was pointed at, in the environment too; the next module must
    not find it there."""
    before = dict(os.environ)
    yield
    if (mlflow := sys.modules.get("mlflow")) is not None:
        mlflow.set_tracking_uri(None)
        mlflow.set_registry_uri(None)
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="session")
def server_root() -> Iterator[Path]:
    """The folder of this run's servers."""
    with open_folder("test") as root:
        yield root


@pytest.fixture(scope="module")
def system_home() -> Iterator[Path]:
    """The home of a module's whole system."""
    with open_folder("test") as root:
        yield root


@pytest.fixture(scope="session")
def postgres_server(server_root: Path) -> Iterator[PostgresProcess]:
    server = PostgresProcess(server_root / "postgres")
    server.start()
    try:
        _create_database(server, "migrated", template="template1")
        migrate(server.url("migrated"))
        _create_database(server, "seeded", template="migrated")
        seed(server.url("seeded"))
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server(server_root: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(server_root / "redis")
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="module")
def postgres_url(postgres_server: PostgresProcess, request: pytest.FixtureRequest) -> Iterator[str]:
    yield from _database(postgres_server, request, "seeded")


@pytest.fixture(scope="module")
def empty_postgres_url(
    postgres_server: PostgresProcess, request: pytest.FixtureRequest
) -> Iterator[str]:
    yield from _database(postgres_server, request, "migrated")


@pytest.fixture(scope="module")
def bare_postgres_url(
    postgres_server: PostgresProcess, request: pytest.FixtureRequest
) -> Iterator[str]:
    yield from _database(postgres_server, request, "template1")


@pytest.fixture(scope="module")
def redis_url(redis_server: RedisProcess) -> str:
    with redis.Redis(port=redis_server.port) as client:
        client.flushall()
    return redis_server.url


def _database(
    server: PostgresProcess, request: pytest.FixtureRequest, template: str
) -> Iterator[str]:
    module = re.sub(r"\W+", "_", request.node.name.removesuffix(".py"))[-40:].lower()
    name = f"{module}_{template}"
    _create_database(server, name, template)
    yield server.url(name)
    _drop_database(server, name)


def _create_database(server: PostgresProcess, name: str, template: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')


def _drop_database(server: PostgresProcess, name: str) -> None:
    with psycopg.connect(server.url("postgres"), autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
