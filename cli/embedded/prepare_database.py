"""The process behind `schema`: migrations, partitions of the coming days, half-life, seeds."""

import os
import sys

from stores.estimation_settings import load_estimation
from stores.migrating import migrate, newer_revision
from stores.partitions import ensure_partitions
from stores.seed import seed
from stores.totals import apply_half_life


def prepare(database_url: str) -> None:
    """Bring the tables up to date and fill in what an empty system needs. Safe to repeat.

    Tables that a later release has brought further stay as they are: a rollback, or a pod of the
    release before that starts during an upgrade, must come up.
    """
    if newer := newer_revision(database_url):
        print(f"a later release made the tables ({newer}): they stay as they are", file=sys.stderr)
        return
    migrate(database_url)
    ensure_partitions(database_url)
    apply_half_life(database_url, load_estimation().half_life_days)
    seed(database_url)


if __name__ == "__main__":
    prepare(os.environ["DATABASE_URL"])
