"""Stores of a test module's own, which it may stop, freeze and kill."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.migrating import migrate
from stores.seed import seed
from tests.servers import PostgresProcess, RedisProcess


def _folder(root: Path, request: pytest.FixtureRequest, store: str) -> Path:
    return root / f"{request.module.__name__.rsplit('.', 1)[-1]}-{store}"


@pytest.fixture(scope="module")
def own_postgres(server_root: Path, request: pytest.FixtureRequest) -> Iterator[PostgresProcess]:
    """Migrated and seeded."""
    server = PostgresProcess(_folder(server_root, request, "postgres"))
    server.start()
    migrate(server.url("postgres"))
    seed(server.url("postgres"))
    yield server
    server.stop()


@pytest.fixture(scope="module")
def own_redis(server_root: Path, request: pytest.FixtureRequest) -> Iterator[RedisProcess]:
    server = RedisProcess(_folder(server_root, request, "redis"))
    server.start()
    yield server
    server.stop()
