"""Is a new champion worse than chance explains? What its live outcomes say against it."""

import math
from dataclasses import dataclass

from scipy.special import betaincinv, gammaincinv


@dataclass(frozen=True, slots=True)
class LiveSums:
    """What one version predicted of served impressions, summed, and what came of them."""

    rows: int = 0
    predicted: float = 0.0
    actual: int = 0

    @property
    def ratio(self) -> float | None:
        """Predicted / actual; None before the first outcome."""
        return self.predicted / self.actual if self.actual else None


@dataclass(frozen=True, slots=True)
class Failures:
    """Bundles decided, and those of them that no model answered in time."""

    bundles: int = 0
    failed: int = 0

    @property
    def rate(self) -> float:
        return self.failed / self.bundles if self.bundles else 0.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """Outside of these, for sure (`confidence` in (0, 1)), a champion goes back."""

    lowest_ratio: float
    highest_ratio: float
    most_errors: float
    confidence: float


def ratio_interval(sums: LiveSums, confidence: float) -> tuple[float, float]:
    """Where predicted / actual may truly lie, by the exact interval of a Poisson count.

    Garwood, "Fiducial limits for the Poisson distribution", Biometrika 1936.
    """
    tail = (1 - confidence) / 2
    most = float(gammaincinv(sums.actual + 1, 1 - tail))
    least = float(gammaincinv(sums.actual, tail)) if sums.actual else 0.0
    return sums.predicted / most, sums.predicted / least if least else math.inf


def against_calibration(after: LiveSums, before: LiveSums, bounds: Bounds) -> str | None:
    """Why the version goes back, None where nothing is proven against it.

    `before` is how its predecessor did: where that is proven to be off too, a version no farther
    off is kept, since going back would mend nothing.
    """
    if not _is_off(after, bounds):
        return None
    low, high = ratio_interval(after, bounds.confidence)
    if _is_off(before, bounds) and _off(before) >= min(abs(math.log(low)), abs(math.log(high))):
        return None
    ratio = "infinite" if after.ratio is None else f"{after.ratio:.2f}"
    return (
        f"predicted / actual is {ratio} over {after.rows} impressions "
        f"({low:.2f} to {high:.2f} with {bounds.confidence:.2%} confidence), "
        f"outside {bounds.lowest_ratio:g} to {bounds.highest_ratio:g}"
    )


def against_errors(after: Failures, before: Failures, bounds: Bounds) -> str | None:
    """Why the version goes back, None where nothing is proven against it."""
    if not after.failed:
        return None
    # Clopper and Pearson, "The use of confidence or fiducial limits", Biometrika 1934.
    answered = after.bundles - after.failed
    least = float(betaincinv(after.failed, answered + 1, 1 - bounds.confidence))
    if least <= max(bounds.most_errors, before.rate):
        return None
    return (
        f"the models did not answer {after.failed} of {after.bundles} bundles in time "
        f"({after.rate:.1%}, {before.rate:.1%} before)"
    )


def _is_off(sums: LiveSums, bounds: Bounds) -> bool:
    """Whether the ratio lies outside of the bounds for sure, not by chance in a handful of rows."""
    if not sums.predicted:
        return False
    low, high = ratio_interval(sums, bounds.confidence)
    return high < bounds.lowest_ratio or bounds.highest_ratio < low


def _off(sums: LiveSums) -> float:
    """How far from 1 a ratio is, in logarithms."""
    return abs(math.log(sums.ratio)) if sums.ratio else math.inf
