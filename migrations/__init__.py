"""Alembic migrations of the tables in `stores.schema`."""
