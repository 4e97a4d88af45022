"""Visitors and the bids for them: what a simulated ad server asks, and what then happens."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from training.market import (
    CREATIVE_TYPES,
    CREATIVES_A_BRAND,
    DEVICES,
    Columns,
    Market,
    creative_of,
)

PRICING = ("CPM", "CPC", "CPC", "CPA", "CPA_PERCENT")
BROWSERS = ("chrome", "safari", "firefox")
REGIONS = 8
MOST_SEGMENTS = 6
# What a click, an order and a thousand impressions are worth to an average brand.
PER_CLICK, PER_ORDER, AOV = 0.5, 5.0, 50.0
_DEVICE_SHARES = (0.6, 0.3, 0.1)
_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class Offer:
    """One bid of a simulated request, with its true rates."""

    brand: str
    pricing_model: str
    creative_type: str
    ctr: float
    cvr: float


@dataclass(frozen=True, slots=True)
class Visit:
    """One request: its body, and what is true of each of its bids, by bid id."""

    at: datetime
    body: dict[str, Any]
    offers: dict[str, Offer]

    def context(self, bid_id: str) -> dict[str, str]:
        """What an event of this bid says of itself."""
        offer = self.offers[bid_id]
        return {
            "slot": self.body["slot"],
            "brand": offer.brand,
            "device_type": self.body["device_type"],
            "creative_type": offer.creative_type,
        }


class Traffic:
    """Makes visits; the same for the same seed. Slots are visited by Zipf's law."""

    def __init__(self, market: Market, rng: np.random.Generator, bids: int) -> None:
        self._market = market
        self._rng = rng
        self._bids = min(bids, len(market.brands))
        shares = 1 / np.arange(1, len(market.slots) + 1)
        self._slot_shares = shares / shares.sum()
        # A brand pays in one way, whatever the seed of the traffic.
        taste = np.random.default_rng(market.seed)
        self._pricing = taste.choice(PRICING, len(market.brands))

    def visits(self, start: datetime, step: timedelta, count: int) -> Iterator[Visit]:
        """`count` visits, `step` apart from `start` on."""
        for first in range(0, count, _CHUNK):
            size = min(_CHUNK, count - first)
            yield from self._chunk([start + (first + n) * step for n in range(size)])

    def _chunk(self, times: list[datetime]) -> Iterator[Visit]:
        rng, market, n, k = self._rng, self._market, len(times), self._bids
        slots = rng.choice(len(market.slots), n, p=self._slot_shares)
        devices = rng.choice(len(DEVICES), n, p=_DEVICE_SHARES)
        segments = [self._segments() for _ in range(n)]
        brands = rng.permuted(np.tile(np.arange(len(market.brands)), (n, 1)), axis=1)[:, :k]
        types = rng.integers(0, len(CREATIVE_TYPES), (n, k))
        creatives = rng.integers(0, CREATIVES_A_BRAND, (n, k))
        amounts = rng.lognormal(0, 0.4, (n, k))
        ctr, cvr = self._rates(times, slots, devices, segments, brands, types, creatives)
        for row, at in enumerate(times):
            offers = {
                f"b{j + 1}": Offer(
                    market.brands[brands[row, j]],
                    str(self._pricing[brands[row, j]]),
                    CREATIVE_TYPES[types[row, j]],
                    float(ctr[row, j]),
                    float(cvr[row, j]),
                )
                for j in range(k)
            }
            bids = [
                _bid(bid_id, offer, float(amounts[row, j]), int(creatives[row, j]))
                for j, (bid_id, offer) in enumerate(offers.items())
            ]
            body = {
                "slot": market.slots[slots[row]],
                "device_type": DEVICES[devices[row]],
                "browser": BROWSERS[rng.integers(len(BROWSERS))],
                "region": f"r{rng.integers(REGIONS) + 1}",
                "timestamp": at.isoformat(),
                "segments": segments[row],
                "auction": "second_price",
                "tmax_ms": 2_000,
                "bids": bids,
            }
            yield Visit(at, body, offers)

    def _segments(self) -> list[str]:
        names = self._market.segments
        count = int(self._rng.integers(0, MOST_SEGMENTS + 1))
        return [names[number] for number in self._rng.choice(len(names), count, replace=False)]

    def _rates(
        self,
        times: list[datetime],
        slots: np.ndarray[Any, Any],
        devices: np.ndarray[Any, Any],
        segments: list[list[str]],
        brands: np.ndarray[Any, Any],
        types: np.ndarray[Any, Any],
        creatives: np.ndarray[Any, Any],
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """True rates of every bid, float64[n, k]."""
        n, k = brands.shape
        names = [self._market.brands[brand] for brand in brands.ravel()]
        columns = Columns(
            slot=[self._market.slots[slot] for slot in slots.repeat(k)],
            brand=names,
            device_type=[DEVICES[device] for device in devices.repeat(k)],
            creative_type=[CREATIVE_TYPES[each] for each in types.ravel()],
            creative=[
                creative_of(name, int(c)) for name, c in zip(names, creatives.ravel(), strict=True)
            ],
            segments=[each for each in segments for _ in range(k)],
            hour=[at.hour for at in times for _ in range(k)],
        )
        ctr, cvr = self._market.rates(columns)
        return ctr.reshape(n, k), cvr.reshape(n, k)


def _bid(bid_id: str, offer: Offer, factor: float, creative: int) -> dict[str, Any]:
    """A bid near what an average impression is worth, in the brand's own pricing model."""
    bid = {
        "bid_id": bid_id,
        "brand": offer.brand,
        "pricing_model": offer.pricing_model,
        "amount": round(_amount(offer.pricing_model) * factor, 6),
        "creative_type": offer.creative_type,
        "creative": creative_of(offer.brand, creative),
    }
    return bid | ({"aov": AOV} if offer.pricing_model == "CPA_PERCENT" else {})


def _amount(pricing_model: str) -> float:
    return {
        "CPM": PER_CLICK * 0.02 * 1_000,
        "CPC": PER_CLICK,
        "CPA": PER_ORDER,
        "CPA_PERCENT": PER_ORDER / AOV,
    }[pricing_model]
