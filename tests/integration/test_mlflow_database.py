"""MLflow's database is made where it is missing, by `adbid up` and by the image's role."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from cli import container
from cli.embedded.errors import PartFailed
from cli.embedded.mlflow_server import ensure_database


def sibling(url: str, name: str, user: str | None = None) -> str:
    parts = urlsplit(url)._replace(path=f"/{name}")
    if user is not None:
        parts = parts._replace(netloc=f"{user}:word@{parts.netloc.rpartition('@')[2]}")
    return urlunsplit(parts)


@pytest.fixture
def missing(bare_postgres_url: str) -> Iterator[str]:
    """The address of a database that does not exist."""
    name = f"{urlsplit(bare_postgres_url).path.lstrip('/')}_mlflow"
    yield sibling(bare_postgres_url, name)
    with psycopg.connect(bare_postgres_url, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")


@contextmanager
def account(url: str) -> Iterator[str]:
    """One that may make no databases, and is not let into `postgres`."""
    name = "adbid_may_little"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE ROLE {name} LOGIN PASSWORD 'word'")
        connection.execute("REVOKE CONNECT ON DATABASE postgres FROM PUBLIC")
        try:
            yield name
        finally:
            connection.execute("GRANT CONNECT ON DATABASE postgres TO PUBLIC")
            connection.execute(f"DROP OWNED BY {name}")
            connection.execute(f"DROP ROLE {name}")


def test_it_is_made_once(missing: str) -> None:
    ensure_database(missing)
    with psycopg.connect(missing) as connection:
        connection.execute("CREATE TABLE kept ()")
    ensure_database(missing)
    with psycopg.connect(missing) as connection:
        connection.execute("SELECT FROM kept")


def test_the_role_mlflow_makes_it(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = urlsplit(missing).path.lstrip("/")
    monkeypatch.setattr("cli.embedded.plan.sibling_database", lambda url, _: sibling(url, name))
    container.mlflow([], {"DATABASE_URL": sibling(missing, "adbid")})
    psycopg.connect(missing).close()


def test_an_account_that_may_make_none_uses_the_one_that_is_there(
    bare_postgres_url: str, missing: str
) -> None:
    name = urlsplit(missing).path.lstrip("/")
    with account(bare_postgres_url) as user:
        with pytest.raises(PartFailed, match="set ADBID_MLFLOW_DATABASE_URL"):
            ensure_database(sibling(missing, name, user))
        ensure_database(missing)
        ensure_database(sibling(missing, name, user))


def test_a_server_that_does_not_answer_is_named() -> None:
    with pytest.raises(PartFailed, match="cannot create its database"):
        ensure_database("postgresql://adbid:word@127.0.0.1:1/mlflow")
