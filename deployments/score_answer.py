"""The body of the answer to `POST /api/score`: its schema, and how it is made from arrays."""

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from msgspec import UNSET, Struct, UnsetType

from bidding.auction import NoWinner
from bidding.auction import Winner as AuctionWinner
from bidding.evaluate import Evaluation
from bidding.pricing import PricingModel
from bidding.reasons import Reason

# What `degraded` may name: stores that were away, then what the answer went without.
STORES = ("redis", "postgres")
PARTS = (*STORES, "features", "rules", "scoring", "explain")


class Winner(Struct):
    """Who won, at what value, and what it pays: as value per impression and in its own terms."""

    bid_id: str
    brand_id: int
    vpi: float
    clearing_price: float
    clearing_amount: float


class ScoreResult(Struct, gc=False):
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
    """One decision. `degraded` names what was away or left out: redis, postgres, features, rules,
    scoring, explain."""

    decision_id: str
    slot_id: int
    models: Versions
    degraded: list[str]
    winner: Winner | None
    results: list[ScoreResult]


_REASON_NAMES = {int(reason): reason.name for reason in Reason}
_REASON_NAMES[int(Reason.WON)] = None  # type: ignore[assignment]
_ENCODER = msgspec.json.Encoder()


def encode(
    decision_id: str,
    slot_id: int,
    versions: Versions,
    degraded: tuple[str, ...],
    evaluation: Evaluation,
    explained: Sequence[dict[str, Any]] | None,
) -> bytes:
    """The answer's JSON: ranked bids first, best first, then the no-bids in the order given."""
    rows = _results(evaluation)
    if explained is not None:
        for row, explanation in zip(rows, explained, strict=True):
            row.explain = explanation
    order = evaluation.order.tolist()
    no_bids = np.flatnonzero(evaluation.rank == 0).tolist()
    return _ENCODER.encode(
        ScoreAnswer(
            decision_id=decision_id,
            slot_id=slot_id,
            models=versions,
            degraded=list(degraded),
            winner=_winner(evaluation),
            results=[rows[index] for index in (*order, *no_bids)],
        )
    )


def _results(evaluation: Evaluation) -> list[ScoreResult]:
    bids = evaluation.bids
    per_conversion = bids.pricing_models >= PricingModel.CPA
    columns = zip(
        bids.bid_ids,
        bids.brand_ids.tolist(),
        evaluation.rank.tolist(),
        np.where(np.isfinite(evaluation.vpi), evaluation.vpi, 0.0).tolist(),
        evaluation.odds.ctr.tolist(),
        evaluation.odds.cvr.tolist(),
        per_conversion.tolist(),
        evaluation.quality_factor.tolist(),
        evaluation.multiplier.tolist(),
        evaluation.reason.tolist(),
        strict=True,
    )
    return [
        ScoreResult(
            bid_id,
            brand_id or None,
            rank or None,
            vpi,
            ctr,
            cvr if uses_cvr else None,
            quality,
            multiplier,
            _REASON_NAMES[reason],
            reason,
        )
        for (
            bid_id,
            brand_id,
            rank,
            vpi,
            ctr,
            cvr,
            uses_cvr,
            quality,
            multiplier,
            reason,
        ) in columns
    ]


def _winner(evaluation: Evaluation) -> Winner | None:
    won: AuctionWinner | NoWinner = evaluation.winner
    if isinstance(won, NoWinner):
        return None
    bids = evaluation.bids
    return Winner(
        bid_id=bids.bid_ids[won.index],
        brand_id=int(bids.brand_ids[won.index]),
        vpi=float(evaluation.vpi[won.index]),
        clearing_price=won.clearing_vpi,
        clearing_amount=won.clearing_amount,
    )
