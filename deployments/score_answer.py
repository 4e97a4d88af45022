"""The body of the answer to `POST /api/score`: its schema, and how it is made from arrays."""

from typing import Any

from msgspec import UNSET, Struct, UnsetType


class Winner(Struct):
    """Who won, at what value, and what it pays: as value per impression and in its own terms."""

    bid_id: str
    brand_id: int
    vpi: float
    clearing_price: float
    clearing_amount: float


class ScoreResult(Struct):
    """One bid. `rank` and `vpi` are null where a reason kept the bid out of the ranking."""

    bid_id: str
    brand_id: int | None
    rank: int | None
    vpi: float | None
    ctr: float | None
    cvr: float | None
    quality_factor: float | None
    vpi_multiplier: float | None
    reason: str | None
    reason_code: int
    explain: dict[str, Any] | UnsetType = UNSET


class Versions(Struct):
    """The model versions that scored this bundle; null where there was none."""

    ctr: str | None
    cvr: str | None


class ScoreAnswer(Struct):
    """One decision. `degraded` names what was missing: features, rules, scoring."""

    decision_id: str
    slot_id: int
    models: Versions
    degraded: list[str]
    winner: Winner | None
    results: list[ScoreResult]
