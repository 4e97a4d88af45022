"""A database of a benchmark's own, beside that of the system which it is run on."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from cli.embedded.plan import sibling_database
from stores.settings import load_settings


@contextmanager
def scratch_database(name: str) -> Iterator[str]:
    """The URL of an empty database that ends with the block. Ends the program without a system."""
    server = load_settings().database_url
    if server is None:
        raise SystemExit("set DATABASE_URL, or start the system with `adbid up`")
    with psycopg.connect(server, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")
        connection.execute(f"CREATE DATABASE {name}")
    try:
        yield sibling_database(server, name)
    finally:
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
