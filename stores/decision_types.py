"""What the decision log takes and gives, and the rows in between."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, Protocol
from uuid import UUID

import msgspec
import numpy as np
from numpy.typing import NDArray

from bidding.auction import NoWinner
from bidding.bundle import AuctionType, SlotTerms
from bidding.decision_ids import decided_at
from bidding.evaluate import Evaluation
from bidding.pricing import PricingModel
from stores.decision_columns import LoggedBids, pack, unpack

ROW_COLUMNS = (
    "decision_id",
    "decided_at",
    "slot_id",
    "device_type",
    "auction",
    "winner_bid_id",
    "winner_brand_id",
    "winner_vpi",
    "winner_pricing_model",
    "winner_creative_type",
    "winner_creative",
    "clearing_vpi",
    "clearing_amount",
    "floor",
    "bid_count",
    "models",
    "degraded",
    "bundle",
    "results",
    "propensity",
    "took_ms",
    "simulated",
    "winner_ctr",
    "winner_cvr",
)
BIDS_COLUMNS = ("decided_at", "decision_id", "brand_ids", "reasons", "packed")
Row = tuple[Any, ...]
"""A row of `decision`, in the order of `ROW_COLUMNS`."""
_NO_WINNER: Row = (None,) * 8
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.decode


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be logged of one decision. Columns run along the request's bids.

    `context` is what the request said beside slot, device and bids; `propensity` in (0, 1] is
    the chance that exploration gave the winner, `None` without exploration; `took_ms` is how
    long the answer took.
    """

    decision_id: UUID
    slot: SlotTerms
    device_type: str
    auction: AuctionType
    context: Mapping[str, Any]
    creative_types: Sequence[str]
    creatives: Sequence[str]
    evaluation: Evaluation
    models: Mapping[str, str | None]
    degraded: Sequence[str] = ()
    propensity: float | None = None
    took_ms: float | None = None
    simulated: bool = False

    @property
    def decided_at(self) -> datetime:
        return decided_at(self.decision_id)


@dataclass(frozen=True, slots=True)
class BidsRow:
    """A row of `decision_bids`: int64[n] and int16[n] to search by, the rest packed."""

    decided_at: datetime
    decision_id: UUID
    brand_ids: NDArray[np.int64]
    reasons: NDArray[np.int16]
    packed: bytes


@dataclass(frozen=True, slots=True)
class LoggedWinner:
    """Who won and what it pays, as `bidding.auction.Winner` said then."""

    bid_id: str
    brand_id: int
    pricing_model: PricingModel
    creative_type: str
    creative: str
    vpi: float
    clearing_vpi: float
    clearing_amount: Decimal


@dataclass(frozen=True, slots=True)
class LoggedDecision:
    """A decision as the log has it. `reasons` counts bids by `Reason` number.

    `bids` is `None` where the bids were not sampled or are no longer kept.
    """

    decision_id: UUID
    decided_at: datetime
    slot_id: int
    device_type: str
    auction: AuctionType
    winner: LoggedWinner | None
    floor: float
    bid_count: int
    reasons: Mapping[int, int]
    models: Mapping[str, str | None]
    degraded: Sequence[str]
    context: Mapping[str, Any]
    propensity: float | None
    took_ms: float | None
    simulated: bool
    bids: LoggedBids | None = None


@dataclass(frozen=True, slots=True)
class Search:
    """Which decisions to find, newest first: all that is given must hold.

    With both `brand_id` and `reason`, that brand's bid has that reason. `before` is the last
    decision of the page before; nothing older than `since` is looked at.
    """

    since: datetime
    slot_id: int | None = None
    brand_id: int | None = None
    reason: int | None = None
    before: UUID | None = None
    limit: int = 50


class DecisionReader(Protocol):
    """How dashboards and what-if read the log. Every call may raise `StoreUnavailable`."""

    async def fetch_one(self, decision_id: UUID) -> LoggedDecision | None:
        """The decision with its bids, as far as they are kept."""
        ...

    async def search(self, search: Search) -> list[LoggedDecision]:
        """Decisions without their bids, newest first."""
        ...

    def fetch_recent(
        self, limit: int, *, simulated: bool | None = None
    ) -> AsyncIterator[list[LoggedDecision]]:
        """The last `limit` decisions whose bids are kept, newest first, page by page."""
        ...


class DecisionWriter(Protocol):
    """Where the log's background task writes."""

    async def record(self, rows: Sequence[Row], bids: Sequence[BidsRow]) -> None:
        """Write rows of both tables, all or none.

        Raises `StoreUnavailable`, after which it is not known whether they were written, and
        `RowRefused` where a row can never be written.
        """
        ...

    async def known(self, rows: Sequence[Row]) -> set[UUID]:
        """Which of these rows are there already."""
        ...


class RowRefused(Exception):
    """PostgreSQL will never take one of these rows."""


def row_of(decision: Decision) -> Row:
    """The row of `decision`, in the order of `ROW_COLUMNS`."""
    counts = np.bincount(decision.evaluation.reason)
    reasons = {str(number): int(counts[number]) for number in np.flatnonzero(counts).tolist()}
    return (
        decision.decision_id,
        decision.decided_at,
        decision.slot.slot_id,
        decision.device_type,
        str(decision.auction),
        *_winner_columns(decision),
        _exact(decision.slot.floor),
        len(decision.evaluation.bids),
        _encode(decision.models).decode(),
        list(decision.degraded),
        _encode(decision.context).decode(),
        _encode(reasons).decode(),
        decision.propensity,
        decision.took_ms,
        decision.simulated,
        *_winner_odds(decision.evaluation),
    )


def bids_row_of(decision: Decision) -> BidsRow:
    """The row of `decision_bids`."""
    evaluation = decision.evaluation
    return BidsRow(
        decided_at=decision.decided_at,
        decision_id=decision.decision_id,
        brand_ids=evaluation.bids.brand_ids,
        reasons=evaluation.reason,
        packed=pack(evaluation, decision.slot, decision.creative_types),
    )


def logged_of(row: Mapping[str, Any]) -> LoggedDecision:
    """A decision from its row; with its bids where the row has their columns too."""
    packed = row.get("packed")
    bids = None
    if packed is not None:
        bids = unpack(packed, row["slot_id"], row["brand_ids"], row["reasons"])
    return LoggedDecision(
        decision_id=row["decision_id"],
        decided_at=row["decided_at"],
        slot_id=row["slot_id"],
        device_type=row["device_type"],
        auction=AuctionType(row["auction"]),
        winner=_winner_of(row),
        floor=float(row["floor"]),
        bid_count=row["bid_count"],
        reasons={int(number): count for number, count in _decode(row["results"]).items()},
        models=_decode(row["models"]),
        degraded=tuple(row["degraded"]),
        context=_decode(row["bundle"]),
        propensity=row["propensity"],
        took_ms=row["took_ms"],
        simulated=row["simulated"],
        bids=bids,
    )


def _winner_of(row: Mapping[str, Any]) -> LoggedWinner | None:
    if row["winner_bid_id"] is None:
        return None
    return LoggedWinner(
        bid_id=row["winner_bid_id"],
        brand_id=row["winner_brand_id"],
        pricing_model=PricingModel(row["winner_pricing_model"]),
        creative_type=row["winner_creative_type"],
        creative=row["winner_creative"],
        vpi=float(row["winner_vpi"]),
        clearing_vpi=float(row["clearing_vpi"]),
        clearing_amount=row["clearing_amount"],
    )


def _winner_columns(decision: Decision) -> Row:
    evaluation = decision.evaluation
    won = evaluation.winner
    if isinstance(won, NoWinner):
        return _NO_WINNER
    bids, index = evaluation.bids, won.index
    return (
        bids.bid_ids[index],
        int(bids.brand_ids[index]),
        _exact(float(evaluation.vpi[index])),
        int(bids.pricing_models[index]),
        decision.creative_types[index],
        decision.creatives[index],
        _exact(won.clearing_vpi),
        _exact(won.clearing_amount),
    )


def _winner_odds(evaluation: Evaluation) -> tuple[float | None, float | None]:
    """The winner's CTR and CVR as predicted: what its outcomes are held against."""
    won, odds = evaluation.winner, evaluation.odds
    if isinstance(won, NoWinner):
        return None, None
    return (
        float(odds.ctr[won.index] * odds.ctr_quality[won.index]),
        float(odds.cvr[won.index] * odds.cvr_quality[won.index]),
    )


def _exact(number: float) -> Decimal:
    """The shortest decimal that reads back as this float."""
    return Decimal(repr(number))
