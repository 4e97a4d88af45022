"""Brings a database to the newest schema, and says how far behind it is."""

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, pool

import migrations
from stores.database_url import sqlalchemy_url

VERSION_TABLE = "adbid_migration"  # its own name, so that MLflow's Alembic can share a database


def migrate(database_url: str, revision: str = "head") -> None:
    """Upgrades to `revision`; safe to call again, and from two processes at once."""
    command.upgrade(_config(database_url), revision)


def pending_revisions(database_url: str) -> list[str]:
    """The revisions the database still lacks, oldest first; none at the head or above it."""
    current = _current(database_url)
    if not _is_known(current):
        return []
    newer = _scripts().iterate_revisions("head", current or "base")
    return [step.revision for step in newer][::-1]


def newer_revision(database_url: str) -> str | None:
    """The database's revision, where a later release than this made it; None elsewhere."""
    current = _current(database_url)
    return None if _is_known(current) else current


def _current(database_url: str) -> str | None:
    engine = create_engine(sqlalchemy_url(database_url), poolclass=pool.NullPool)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
            return context.get_current_revision()
    finally:
        engine.dispose()


def _is_known(revision: str | None) -> bool:
    return revision is None or revision in {each.revision for each in _scripts().walk_revisions()}


def _scripts() -> ScriptDirectory:
    return ScriptDirectory(str(Path(migrations.__file__).parent))


def _config(database_url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(migrations.__file__).parent))
    config.set_main_option("path_separator", "os")
    # configparser reads % as interpolation, and a password may hold one
    config.set_main_option("sqlalchemy.url", sqlalchemy_url(database_url).replace("%", "%%"))
    return config
