"""What `/api/models` says and takes."""

import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from deployments.catalogue_shapes import NO_NUL
from stores import model_registry as registry
from stores.model_changes import Kind
from stores.model_changes import ModelChange as Change
from stores.promotion import GATE, PENDING, gate_reasons

Reason = Annotated[str, Field(min_length=1, max_length=500, pattern=NO_NUL)]


Word = Literal["passed", "failed", "pending", "none"]
_WORDS: dict[str | None, Word] = {"passed": "passed", "failed": "failed", PENDING: "pending"}


class Gate(BaseModel):
    """What the gate said of a version: `none` where it was not asked, `pending` where it is not
    done, for good where its run died."""

    verdict: Word
    reasons: list[str]


class ModelVersion(BaseModel):
    """One registered version; `metrics` are its training run's."""

    version: str
    created_at: datetime
    aliases: list[str]
    metrics: dict[str, float]
    gate: Gate
    tags: dict[str, str]


class Replica(BaseModel):
    """What one scoring replica serves, and which versions it refused and why."""

    replica: str
    version: str | None
    loaded_at: datetime | None
    refused: dict[str, str]


class ModelChange(BaseModel):
    """A move of an alias."""

    at: datetime
    actor: str
    alias: str
    from_version: str | None
    to_version: str | None
    reason: str | None
    kind: Kind


class LiveSide(BaseModel):
    """Predicted over actual outcomes of served impressions; null before the first outcome."""

    predicted_actual: float | None
    bundles: int


class Disagreement(BaseModel):
    """How the challenger's rates differ from the champion's on live bundles, all replicas' sum.

    `mean_log_ratio` is the mean of |log(challenger / champion)| over bids; `top_changed` counts
    bundles whose highest rate is another bid's; `dropped` those that came while one was scored.
    """

    champion: str
    challenger: str
    bundles: int
    bids: int
    mean_log_ratio: float
    largest_log_ratio: float
    top_changed: int
    dropped: int


class Live(BaseModel):
    """How both do in service. The challenger's outcomes are those of bundles scored by both."""

    champion: LiveSide | None
    challenger: LiveSide | None
    disagreement: Disagreement | None = None


class Model(BaseModel):
    """One model: what is registered, what serves, what was.

    `previous_champion` is where a rollback goes; null where there is nothing to go back to.
    """

    name: str
    previous_champion: str | None
    versions: list[ModelVersion]
    replicas: list[Replica]
    history: list[ModelChange]
    live: Live


class Models(BaseModel):
    """Both models.

    Without `registry_reachable`, MLflow does not answer: versions and outcomes are left out.
    """

    models: list[Model]
    registry_reachable: bool


class PromoteIn(BaseModel):
    """Which version is to serve, and why; `force` takes one that the gate did not pass."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[str, Field(pattern=r"^[0-9]{1,18}$")]
    reason: Reason
    force: bool = False


class RollbackIn(BaseModel):
    """Why the champion goes back."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class ReliabilityBin(BaseModel):
    """Rows of like predictions: the mean predicted rate and the actual one."""

    predicted: float
    actual: float
    rows: int


class Reliability(BaseModel):
    """A version's reliability on rows that it was not fitted to."""

    bins: list[ReliabilityBin]


def version_of(version: registry.ModelVersion, metrics: Mapping[str, float]) -> ModelVersion:
    """A registered version with its run's metrics."""
    gate = Gate(verdict=_WORDS.get(version.tags.get(GATE), "none"), reasons=gate_reasons(version))
    return ModelVersion(
        version=version.version,
        created_at=datetime.fromtimestamp(version.created_at_ms / 1000, UTC),
        aliases=list(version.aliases),
        metrics={name: value for name, value in metrics.items() if math.isfinite(value)},
        gate=gate,
        tags=version.tags,
    )


def change_of(change: Change) -> ModelChange:
    """A change as the API shows it."""
    move = change.move
    return ModelChange(
        at=change.at,
        actor=change.author.actor,
        alias=move.alias,
        from_version=move.from_version,
        to_version=move.to_version,
        reason=change.author.reason,
        kind=move.kind,
    )


def replicas_of(name: str, reports: Sequence[Mapping[str, Any]]) -> list[Replica]:
    """What each replica reported of one model."""
    return [
        Replica(
            replica=report["replica"],
            version=model["version"],
            loaded_at=_time_of(model["loaded_at"]),
            refused=model["refused"],
        )
        for report in reports
        for model in report["models"]
        if model["name"] == name
    ]


def disagreement_of(
    name: str, champion: str, challenger: str, reports: Sequence[Mapping[str, Any]]
) -> Disagreement | None:
    """The sum over replicas; None where none has scored a bundle by both."""
    sides = [report.get("challengers", {}) for report in reports]
    found = [
        each
        for side in sides
        for each in side.get("disagreement", ())
        if (each["name"], each["champion"], each["challenger"]) == (name, champion, challenger)
    ]
    bids = sum(each["rows"] for each in found)
    if not bids:
        return None
    return Disagreement(
        champion=champion,
        challenger=challenger,
        bundles=sum(each["bundles"] for each in found),
        bids=bids,
        mean_log_ratio=sum(each["log_ratio_sum"] for each in found) / bids,
        largest_log_ratio=max(each["largest_log_ratio"] for each in found),
        top_changed=sum(each["top_changed"] for each in found),
        dropped=sum(side.get("dropped", 0) for side in sides),
    )


def _time_of(seconds: float | None) -> datetime | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
