"""A hidden market: the true click and conversion rates that `adbid simulate` draws from.

The rates are known here and nowhere else: serving and training see only what was clicked. They
are kept in a file, so that what was learned can be judged against what is true.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from scipy.special import expit, logit

FORMAT = 1
DEVICES = ("mobile", "desktop", "tablet")
CREATIVE_TYPES = ("banner", "video", "native")
CREATIVES_A_BRAND = 3
HOURS = 24
Floats = NDArray[np.float64]
Codes = NDArray[np.intp]


@dataclass(frozen=True, slots=True)
class MarketShape:
    """How large a market is and how much its effects vary (standard deviations of log-odds)."""

    slots: int = 20
    brands: int = 12
    segments: int = 40
    ctr: float = 0.02
    cvr: float = 0.10
    slot: float = 0.35
    brand: float = 0.35
    pair: float = 0.20
    device: float = 0.25
    creative: float = 0.30
    hour: float = 0.35
    segment: float = 1.0  # on real logs, segments carry most of the signal


@dataclass(frozen=True, slots=True, eq=False)
class Columns:
    """Impressions column by column, n each: the names that training rows have.

    `hour` is the hour of the day in UTC. What the market does not know has no effect.
    """

    slot: Sequence[str]
    brand: Sequence[str]
    device_type: Sequence[str]
    creative_type: Sequence[str]
    creative: Sequence[str]
    segments: Sequence[Sequence[str]]
    hour: Sequence[int]


@dataclass(frozen=True, slots=True, eq=False)
class Effects:
    """One rate's effects in log-odds: S slots, B brands, G segments; the last row of each stands
    for what the market does not know, and is 0."""

    base: float
    slot: Floats  # [S + 1]
    brand: Floats  # [B + 1]
    pair: Floats  # [S + 1, B + 1]
    device: Floats  # [B + 1, D + 1]
    creative_type: Floats  # [B + 1, C + 1]
    creative: Floats  # [B + 1, CREATIVES_A_BRAND + 1]
    hour: Floats  # [B + 1, 24]
    segment: Floats  # [G + 1, B + 1]


@dataclass(frozen=True, slots=True, eq=False)
class Market:
    """Names and effects. Keys start with `sim:`, which marks all traffic as simulated."""

    seed: int
    slots: tuple[str, ...]
    brands: tuple[str, ...]
    segments: tuple[str, ...]
    ctr: Effects
    cvr: Effects
    _numbers: Mapping[str, Mapping[str, int]] = field(init=False)

    def __post_init__(self) -> None:
        numbers = {
            "slot": _numbered(self.slots),
            "brand": _numbered(self.brands),
            "segments": _numbered(self.segments),
            "device_type": _numbered(DEVICES),
            "creative_type": _numbered(CREATIVE_TYPES),
            "creative": {
                creative_of(brand, n): n for brand in self.brands for n in range(CREATIVES_A_BRAND)
            },
        }
        object.__setattr__(self, "_numbers", numbers)

    def rates(self, columns: Columns) -> tuple[Floats, Floats]:
        """The true CTR and CVR of n impressions, float64[n] in (0, 1)."""
        codes = {
            name: self._codes(name, getattr(columns, name))
            for name in ("slot", "brand", "device_type", "creative_type", "creative")
        }
        hour = np.asarray(columns.hour, np.intp)
        row, segment = self._segment_codes(columns.segments)
        found = []
        for effects in (self.ctr, self.cvr):
            brand = codes["brand"]
            odds = (
                effects.base
                + effects.slot[codes["slot"]]
                + effects.brand[brand]
                + effects.pair[codes["slot"], brand]
                + effects.device[brand, codes["device_type"]]
                + effects.creative_type[brand, codes["creative_type"]]
                + effects.creative[brand, codes["creative"]]
                + effects.hour[brand, hour]
            )
            np.add.at(odds, row, effects.segment[segment, brand[row]])
            found.append(expit(odds))
        return found[0], found[1]

    def save(self, path: Path) -> None:
        """Write it as JSON."""
        path.parent.mkdir(parents=True, exist_ok=True)
        document = {
            "format": FORMAT,
            "seed": self.seed,
            "slots": self.slots,
            "brands": self.brands,
            "segments": self.segments,
            "ctr": _plain(self.ctr),
            "cvr": _plain(self.cvr),
        }
        path.write_bytes(orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY))

    def _codes(self, name: str, values: Sequence[str]) -> Codes:
        numbers = self._numbers[name]
        # -1 is the last row, of what is not known
        return np.array([numbers.get(value, -1) for value in values], np.intp)

    def _segment_codes(self, segments: Sequence[Sequence[str]]) -> tuple[Codes, Codes]:
        numbers = self._numbers["segments"]
        pairs = [(r, numbers[s]) for r, names in enumerate(segments) for s in names if s in numbers]
        found = np.array(pairs, np.intp).reshape(-1, 2)
        return found[:, 0], found[:, 1]


def make_market(seed: int, shape: MarketShape = MarketShape()) -> Market:
    """The market of this seed; the same on every call."""
    rng = np.random.default_rng(seed)
    return Market(
        seed,
        tuple(f"sim:slot-{number}" for number in range(1, shape.slots + 1)),
        tuple(f"sim:brand-{number}" for number in range(1, shape.brands + 1)),
        tuple(f"sim:{number}" for number in range(1, shape.segments + 1)),
        _effects(rng, shape, float(logit(shape.ctr))),
        _effects(rng, shape, float(logit(shape.cvr))),
    )


def load_market(path: Path) -> Market:
    """The market in a file. Raises `ValueError` for a file of another format."""
    document = orjson.loads(path.read_bytes())
    if document.get("format") != FORMAT:
        raise ValueError(f"{path.name} is no market of format {FORMAT}")
    return Market(
        document["seed"],
        tuple(document["slots"]),
        tuple(document["brands"]),
        tuple(document["segments"]),
        _effects_of(document["ctr"]),
        _effects_of(document["cvr"]),
    )


def creative_of(brand: str, number: int) -> str:
    """The label of a brand's creative."""
    return f"{brand}/c{number + 1}"


def _effects(rng: np.random.Generator, shape: MarketShape, base: float) -> Effects:
    s, b, g = shape.slots, shape.brands, shape.segments
    # Each brand has its hour of the day, and it fades away from there.
    peak, height = rng.uniform(0, HOURS, b), rng.normal(0, shape.hour, b)
    turn = 2 * np.pi * (np.arange(HOURS) - peak[:, np.newaxis]) / HOURS
    return Effects(
        base=base,
        slot=_known(rng.normal(0, shape.slot, s)),
        brand=_known(rng.normal(0, shape.brand, b)),
        pair=_known(rng.normal(0, shape.pair, (s, b)), 2),
        device=_known(rng.normal(0, shape.device, (b, len(DEVICES))), 2),
        creative_type=_known(rng.normal(0, shape.creative, (b, len(CREATIVE_TYPES))), 2),
        creative=_known(rng.normal(0, shape.creative, (b, CREATIVES_A_BRAND)), 2),
        hour=_known(np.sqrt(2) * height[:, np.newaxis] * np.cos(turn)),
        segment=_known(
            rng.normal(0, shape.segment / 2, (g, 1)) + rng.normal(0, shape.segment / 2, (g, b)), 2
        ),
    )


def _known(values: Floats, sides: int = 1) -> Floats:
    """With a last row (and column) of zeros."""
    return np.pad(values, [(0, 1)] * sides + [(0, 0)] * (values.ndim - sides))


def _numbered(names: Sequence[str]) -> dict[str, int]:
    return {name: number for number, name in enumerate(names)}


def _plain(effects: Effects) -> dict[str, Any]:
    return {name: getattr(effects, name) for name in Effects.__dataclass_fields__}


def _effects_of(document: Mapping[str, Any]) -> Effects:
    arrays = {name: np.array(values) for name, values in document.items() if name != "base"}
    return Effects(base=document["base"], **arrays)
