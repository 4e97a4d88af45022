"""The process behind `schema`: migrations, partitions of the coming days, seeds."""

import os

from stores.migrating import migrate
from stores.partitions import ensure_partitions
from stores.seed import seed


def prepare(database_url: str) -> None:
    """Bring the tables up to date and fill in what an empty system needs. Safe to repeat."""
    migrate(database_url)
    ensure_partitions(database_url)
    seed(database_url)


if __name__ == "__main__":
    prepare(os.environ["DATABASE_URL"])
