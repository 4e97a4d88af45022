"""What somebody should look at now: parts that are missing, champions that were taken back."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from deployments.metric_shapes import Banner
from stores.model_changes import ModelChange

# A rollback that nobody followed by a promotion is told of for so long.
TOLD_FOR = timedelta(days=1)


def degraded_banner(missing: Sequence[str], now: datetime) -> list[Banner]:
    """One banner for all parts that are missing."""
    return [Banner("degraded", f"Answering without: {', '.join(missing)}", now)] if missing else []


def rollback_banners(newest: Sequence[ModelChange], now: datetime) -> list[Banner]:
    """Of the newest move of each champion, those that went back."""
    return [
        Banner("rollback", _told(change), change.at)
        for change in newest
        if change.move.kind != "promote" and now - change.at < TOLD_FOR
    ]


def _told(change: ModelChange) -> str:
    move, author = change.move, change.author
    went = f"{move.name} went back from v{move.from_version} to v{move.to_version}"
    by = "by itself" if move.kind == "automatic_rollback" else f"by {author.actor}"
    return f"{went}, {by}" + (f": {author.reason}" if author.reason else "")
