"""One DATABASE_URL, spelled the way each driver wants it."""

import re

from bidding.errors import InvalidRequest

_SCHEME = re.compile(r"^(postgres|postgresql)(\+\w+)?://")


def plain_url(url: str) -> str:
    """`postgresql://...`, as asyncpg and psycopg take it, from any accepted spelling.

    Raises `InvalidRequest` where the URL is not PostgreSQL's; its text never holds the URL,
    which may carry a password.
    """
    if not _SCHEME.match(url):
        raise InvalidRequest("DATABASE_URL must start with postgresql://")
    return _SCHEME.sub("postgresql://", url)


def sqlalchemy_url(url: str) -> str:
    """`postgresql+psycopg://...`, as SQLAlchemy and Alembic take it."""
    return plain_url(url).replace("postgresql://", "postgresql+psycopg://", 1)
