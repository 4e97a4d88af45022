"""A decision's bids in a few kilobytes: column by column, so that packing costs microseconds.

Every number that the evaluation read or gave is kept exactly, so that a logged decision can be
shown as it was and made again under other rules.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import numpy as np
from numpy.typing import ArrayLike, NDArray

from bidding.bundle import AuctionType, Bids, Odds, SlotTerms
from bidding.evaluate import Evaluation, LoggedBundle
from bidding.pricing import Floats, PricingModel

FORMAT = 1
_FLOAT = np.dtype("<f8")
_SMALL = np.dtype("<u2")  # a bundle has at most 1,000 bids
_NOTHING = b""


class _Packed(msgspec.Struct, array_like=True):
    """`firsts` holds the first number of each float column, `varying` the whole of those columns
    that `varies` marks: the others say the same of every bid.

    `creative_of` numbers each bid's label in `creative_types`; it is empty where one is for all.
    """

    format: int
    bid_ids: list[str]
    creative_types: list[str]
    creative_of: bytes
    pricing_models: bytes
    ranks: bytes
    firsts: bytes
    varies: list[int]
    varying: bytes
    floor: float
    paused: bool
    partner_paused: bool
    bought_by: int | None


@dataclass(frozen=True, slots=True)
class LoggedBids:
    """The bids of a logged decision with their verdicts, in the order of the request.

    `rank` int32[n], 0 for no-bids; `reason` int16[n]; the others float64[n] as in `Evaluation`
    at the time: `min_vpi` and `max_vpi` are the thresholds used, 0 and infinite where none was.
    """

    bids: Bids
    odds: Odds
    slot: SlotTerms
    creative_types: Sequence[str]
    rank: NDArray[np.int32]
    reason: NDArray[np.int16]
    vpi: Floats
    multiplier: Floats
    quality_exponent: Floats
    min_vpi: Floats
    max_vpi: Floats

    def bundle(self, auction: AuctionType) -> LoggedBundle:
        """What `bidding.evaluate.re_evaluate` takes."""
        return LoggedBundle(self.bids, self.slot, self.odds, auction)


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Packed)


def pack(evaluation: Evaluation, slot: SlotTerms, creative_types: Sequence[str]) -> bytes:
    """The columns of a decision, but for brand ids and reasons, which are searched by.

    `creative_types` has one label a bid.
    """
    bids, odds = evaluation.bids, evaluation.odds
    floats = np.array(
        (
            bids.amounts,
            bids.aov,
            bids.min_vpi,
            bids.max_vpi,
            odds.ctr,
            odds.cvr,
            odds.ctr_quality,
            odds.cvr_quality,
            evaluation.vpi,
            evaluation.multiplier,
            evaluation.quality_exponent,
            evaluation.min_vpi,
            evaluation.max_vpi,
        ),
        _FLOAT,
    )
    bits = floats.view(np.int64)  # NaN is like NaN
    varies = np.flatnonzero((bits != bits[:, :1]).any(axis=1))
    labels = {label: number for number, label in enumerate(dict.fromkeys(creative_types))}
    return _encoder.encode(
        _Packed(
            FORMAT,
            list(bids.bid_ids),
            list(labels),
            _pack_labels(labels, creative_types),
            bids.pricing_models.tobytes(),
            evaluation.rank.astype(_SMALL).tobytes(),
            floats[:, 0].tobytes(),
            varies.tolist(),
            floats[varies].tobytes(),
            slot.floor,
            slot.paused,
            slot.partner_paused,
            None if slot.bought_by is None else int(slot.bought_by),
        )
    )


def unpack(packed: bytes, slot_id: int, brand_ids: ArrayLike, reasons: ArrayLike) -> LoggedBids:
    """The inverse of `pack`. Raises `msgspec.DecodeError` on bytes of another making."""
    kept = _decoder.decode(packed)
    size = len(kept.bid_ids)
    floats = np.frombuffer(kept.firsts, _FLOAT)[:, np.newaxis].repeat(size, axis=1)
    floats[kept.varies] = np.frombuffer(kept.varying, _FLOAT).reshape(-1, size)
    amounts, aov, min_vpi, max_vpi, ctr, cvr, ctr_quality, cvr_quality = floats[:8]
    vpi, multiplier, exponent, min_used, max_used = floats[8:]
    return LoggedBids(
        bids=Bids(
            bid_ids=kept.bid_ids,
            brand_ids=np.array(brand_ids, np.int64),
            pricing_models=np.frombuffer(kept.pricing_models, np.int8),
            amounts=amounts,
            aov=aov,
            min_vpi=min_vpi,
            max_vpi=max_vpi,
        ),
        odds=Odds(ctr, cvr, ctr_quality, cvr_quality),
        slot=SlotTerms(
            slot_id,
            kept.floor,
            kept.paused,
            kept.partner_paused,
            None if kept.bought_by is None else PricingModel(kept.bought_by),
        ),
        creative_types=_unpack_labels(kept, size),
        rank=np.frombuffer(kept.ranks, _SMALL).astype(np.int32),
        reason=np.array(reasons, np.int16),
        vpi=vpi,
        multiplier=multiplier,
        quality_exponent=exponent,
        min_vpi=min_used,
        max_vpi=max_used,
    )


def _pack_labels(labels: Mapping[str, int], creative_types: Sequence[str]) -> bytes:
    if len(labels) < 2:
        return _NOTHING
    return np.array([labels[label] for label in creative_types], _SMALL).tobytes()


def _unpack_labels(kept: _Packed, size: int) -> list[str]:
    labels = kept.creative_types
    if not kept.creative_of:
        return labels * size
    return [labels[number] for number in np.frombuffer(kept.creative_of, _SMALL).tolist()]
