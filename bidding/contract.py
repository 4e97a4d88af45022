"""The feature contract: the ordered features that training and serving both fill."""

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from bidding.batch import Int32s

CODE_BITS = 24
_CODE_MASK = (1 << CODE_BITS) - 1
MISSING_CODE = 0


class FeatureType(StrEnum):
    NUMERIC = "numeric"
    CATEGORICAL = "categorical"
    MULTI_HOT = "multi_hot"


class Source(StrEnum):
    SLOT = "slot"
    PARTNER = "partner"
    REQUEST = "request"
    BID = "bid"
    BRAND = "brand"
    POSTERIOR = "posterior"


_SHARED = {Source.SLOT, Source.PARTNER, Source.REQUEST}


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature; `factor` is the group that `explain` counts its effect in."""

    name: str
    type: FeatureType
    source: Source
    factor: str


@dataclass(frozen=True, slots=True)
class FeatureContract:
    """Ordered features, and the columns they make.

    `shared` are the columns of `ScoreBatch.shared`, alike for all bids of a bundle; `per_bid`
    those of `ScoreBatch.rows`.
    """

    features: tuple[Feature, ...]
    hash: str
    shared: tuple[str, ...]
    per_bid: tuple[str, ...]

    def feature(self, name: str) -> Feature:
        """The feature of that name. Raises `KeyError`."""
        for feature in self.features:
            if feature.name == name:
                return feature
        raise KeyError(name)


def contract_of(document: Mapping[str, Any]) -> FeatureContract:
    """The contract of a parsed `configs/features.yaml`.

    The hash covers names, order, types and sources: what a matrix must hold. Raises
    `ValueError` for a value that is not one of ours, or a name used twice.
    """
    features = tuple(
        Feature(str(f["name"]), FeatureType(f["type"]), Source(f["source"]), str(f["factor"]))
        for f in document["features"]
    )
    if len({feature.name for feature in features}) != len(features):
        raise ValueError("features: a name is used twice")
    canonical = [(feature.name, feature.type, feature.source) for feature in features]
    digest = hashlib.sha256(json.dumps(canonical).encode()).hexdigest()
    columns = [feature for feature in features if feature.type is not FeatureType.MULTI_HOT]
    return FeatureContract(
        features,
        digest,
        shared=tuple(feature.name for feature in columns if feature.source in _SHARED),
        per_bid=tuple(feature.name for feature in columns if feature.source not in _SHARED),
    )


def code(text: str) -> int:
    """A stable code of a text, 1..2**24-1, exact as float32; 0 says that there is none."""
    if not text:
        return MISSING_CODE
    return zlib.crc32(text.encode()) & _CODE_MASK or 1


def codes(texts: Sequence[str]) -> Int32s:
    """The codes of several texts, int32[n]."""
    known = {text: code(text) for text in set(texts)}
    return np.array([known[text] for text in texts], np.int32)
