"""What somebody should look at now: parts that are missing, champions that were taken back, and
versions that replicas refuse to serve."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

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


def refused_banners(reports: Sequence[Mapping[str, Any]], now: datetime) -> list[Banner]:
    """One banner for each version that some scoring replica refuses, by their `Scoring.report`s."""
    said = [model for report in reports for model in report["models"]]
    found: dict[tuple[str, str], list[Mapping[str, Any]]] = defaultdict(list)
    for model in said:
        for version in model["refused"]:
            found[model["name"], version].append(model)
    return [
        Banner("refused", _refusal(name, version, by, len(reports)), now)
        for (name, version), by in sorted(found.items())
    ]


def _refusal(name: str, version: str, by: Sequence[Mapping[str, Any]], replicas: int) -> str:
    kept = sorted({f"v{each['version']}" if each["version"] else "no model" for each in by})
    which = f"v{version}" if version.isdigit() else f"the {version} copy"
    refuse = f"{len(by)} of {replicas} scoring replicas refuse {which} of {name}"
    return f"{refuse} and serve {', '.join(kept)}: {by[0]['refused'][version]}"


def _told(change: ModelChange) -> str:
    move, author = change.move, change.author
    went = f"{move.name} went back from v{move.from_version} to v{move.to_version}"
    by = "by itself" if move.kind == "automatic_rollback" else f"by {author.actor}"
    return f"{went}, {by}" + (f": {author.reason}" if author.reason else "")
