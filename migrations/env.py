"""Runs the migrations on DATABASE_URL, or on the URL a caller puts into the configuration."""

import os

from alembic import context
from sqlalchemy import Connection, create_engine, pool, text

from stores.database_url import sqlalchemy_url
from stores.migrating import VERSION_TABLE
from stores.schema import metadata
from stores.settings import load_settings

_LOCK = 6_071_723_114  # two `upgrade head` at once take turns


def _database_url() -> str:
    url = context.config.get_main_option("sqlalchemy.url") or os.environ.get("DATABASE_URL")
    url = url or load_settings().database_url
    if not url:
        raise SystemExit("set DATABASE_URL, or start the embedded system with `adbid up`")
    return sqlalchemy_url(url)


def _partitions(connection: Connection) -> set[str]:
    rows = connection.execute(text("SELECT relname FROM pg_class WHERE relispartition"))
    return {row.relname for row in rows}


def _run(connection: Connection) -> None:
    connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
    partitions = _partitions(connection)
    connection.commit()
    context.configure(
        connection=connection,
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        compare_type=True,
        compare_server_default=False,
        include_name=lambda name, kind, _: not (kind == "table" and name in partitions),
    )
    with context.begin_transaction():
        context.run_migrations()


def _run_offline() -> None:
    context.configure(
        dialect_name="postgresql",
        target_metadata=metadata,
        version_table=VERSION_TABLE,
        literal_binds=True,
    )
    with context.begin_transaction():
        context.run_migrations()


if context.is_offline_mode():
    _run_offline()
else:
    _engine = create_engine(_database_url(), poolclass=pool.NullPool)
    with _engine.connect() as _connection:
        _run(_connection)
    _engine.dispose()
