"""The gate: what a new model must show before it may serve. Every check says what it found."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from bidding.pricing import Floats
from training.metrics import Judged, Quality, entropy, quality_of, row_losses
from training.spec import Ends, GateSpec

_REPETITIONS = 300
PASSED, FAILED = "passed", "failed"
DRY_RUN = "dry run in the live graph"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing looked at: whether it holds, and what was found."""

    name: str
    holds: bool
    found: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """All checks; the gate is passed when each holds."""

    checks: tuple[Check, ...]

    @property
    def passed(self) -> bool:
        return all(check.holds for check in self.checks)

    @property
    def word(self) -> str:
        return PASSED if self.passed else FAILED

    @property
    def reasons(self) -> list[str]:
        """Why it failed."""
        return [f"{check.name}: {check.found}" for check in self.checks if not check.holds]

    def plain(self) -> dict[str, Any]:
        """As JSON can hold it."""
        checks = [asdict(check) for check in self.checks]
        return {"verdict": self.word, "reasons": self.reasons, "checks": checks}


@dataclass(frozen=True, slots=True)
class DryRun:
    """Canned bundles scored by a candidate in the live graph.

    `reordered` is the share of the pairs of bids that the champion orders and the candidate does
    not order alike, in [0, 1].
    """

    bundles: int
    errors: tuple[str, ...]
    reordered: float


NO_SERVICE = DryRun(0, ("no service to dry-run on: set ADBID_URL and ADBID_KEY",), 0.0)


@dataclass(frozen=True, slots=True, eq=False)
class Duel:
    """Predictions of both on the same rows."""

    candidate: Judged
    champion: Judged


@dataclass(frozen=True, slots=True)
class NoDuel:
    """Why the candidate was not compared with the champion, and whether that may be."""

    reason: str
    holds: bool


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is judged before the dry run.

    `candidate`: its predictions on the held out rows; `duel`: both models' on those of them that
    the champion has not seen either; `groups` names the held out rows (`kind` -> object[n]);
    `importance` is each feature's share (`training.importance`).
    """

    candidate: Judged
    duel: Duel | NoDuel
    groups: Mapping[str, np.typing.NDArray[np.object_]]
    importance: Mapping[str, float]


def judge(evidence: Evidence, spec: GateSpec) -> Verdict:
    """The verdict on a candidate by its predictions alone."""
    rows = evidence.candidate
    quality = quality_of(rows)
    checks = [_enough(quality, spec)]
    if quality.outcomes >= spec.least_outcomes:
        checks.append(_against_champion(evidence.duel, spec))
        checks.append(_ratio_check("predicted/actual", quality, spec.ratio, spec))
        checks += _groups(rows, evidence.groups, spec)
    checks.append(_importance(evidence.importance, spec))
    return Verdict(tuple(checks))


def with_dry_run(verdict: Verdict, found: DryRun, spec: GateSpec) -> Verdict:
    """The verdict with what the live graph made of the candidate."""
    return Verdict((*verdict.checks, _dry_run(found, spec)))


def without_dry_run(verdict: Verdict) -> Verdict:
    """The verdict of an installation that does without a dry run, which it says."""
    return Verdict((*verdict.checks, Check(DRY_RUN, True, "turned off (gate.dry_run)")))


def _enough(quality: Quality, spec: GateSpec) -> Check:
    holds = quality.rows >= spec.least_rows and quality.outcomes >= spec.least_outcomes
    return Check(
        "enough rows",
        holds,
        f"{quality.rows:,} rows and {quality.outcomes:,} outcomes to judge on; "
        f"{spec.least_rows:,} and {spec.least_outcomes:,} are needed",
    )


def _against_champion(duel: Duel | NoDuel, spec: GateSpec) -> Check:
    name = "not worse than the champion"
    if isinstance(duel, NoDuel):
        return Check(name, duel.holds, duel.reason)
    if duel.champion.outcomes.sum() < spec.least_outcomes:
        return Check(name, True, "the champion was trained on nearly all of these rows")
    difference, low, high = _ne_difference(duel.candidate, duel.champion)
    found = f"normalized entropy {difference:+.4f} [{low:+.4f}, {high:+.4f}] against the champion"
    return Check(name, not low > 0, found)


def _ne_difference(rows: Judged, champion: Judged) -> tuple[float, float, float]:
    """Candidate's less champion's normalized entropy on the same rows, by a paired bootstrap."""
    losses = row_losses(rows) - row_losses(champion)
    rng = np.random.default_rng(1)

    def measure(weights: Floats) -> float:
        total = weights.sum()
        h = entropy(float((weights * rows.outcomes).sum() / total))
        return float((weights * losses).sum() / total / h)

    drawn = [measure(rows.weights * rng.poisson(1.0, len(losses))) for _ in range(_REPETITIONS)]
    low, high = np.nanquantile(drawn, [0.025, 0.975])
    return measure(rows.weights), float(low), float(high)


def _ratio_check(name: str, quality: Quality, ends: Ends, spec: GateSpec) -> Check:
    low, high = ends
    figure = quality.ratio
    inside = low <= figure.value <= high
    sure = quality.outcomes >= spec.sure_outcomes
    overlaps = figure.low <= high and figure.high >= low
    found = (
        f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] of {quality.outcomes:,} "
        f"outcomes; allowed {low} to {high}"
    )
    return Check(name, bool(inside or (overlaps and not sure)), found)


def _groups(
    rows: Judged, groups: Mapping[str, np.typing.NDArray[np.object_]], spec: GateSpec
) -> list[Check]:
    checks = []
    for kind, names in groups.items():
        for name in np.unique(names.astype(str)):
            mine = rows.take(names.astype(str) == name)
            if (mine.outcomes > 0).sum() >= spec.least_group_outcomes:
                title = f"predicted/actual of {kind} {name or '(none)'}"
                checks.append(_ratio_check(title, quality_of(mine), spec.group_ratio, spec))
    return checks


def _importance(shares: Mapping[str, float], spec: GateSpec) -> Check:
    """Judged on the feature that is nearest to its limit, or furthest beyond."""

    def limit(name: str) -> float:
        return spec.largest_importance_of.get(name, spec.largest_importance)

    name = max(shares, key=lambda each: shares[each] / limit(each), default="none")
    share = shares.get(name, 0.0)
    found = f"{name} has {share:.0%} of the gain; at most {limit(name):.0%}"
    return Check("no feature rules", share <= limit(name), found)


def _dry_run(found: DryRun, spec: GateSpec) -> Check:
    if found.errors:
        return Check(DRY_RUN, False, "; ".join(found.errors[:5]))
    if found.bundles == 0:
        return Check(DRY_RUN, False, "no canned bundle was scored")
    text = (
        f"{found.bundles} canned bundles; {found.reordered:.0%} of pairs of bids change their "
        f"order, at most {spec.largest_reordering:.0%}"
    )
    return Check(DRY_RUN, found.reordered <= spec.largest_reordering, text)


def reordered(before: Sequence[float], after: Sequence[float]) -> float:
    """Share of the pairs ordered before that are ordered otherwise, or no longer: Kendall's
    distance, in [0, 1]. A candidate that tells no bid from another moves every pair."""
    x, y = np.asarray(before, float), np.asarray(after, float)
    dx, dy = np.sign(x[:, None] - x[None, :]), np.sign(y[:, None] - y[None, :])
    upper = np.triu(np.ones_like(dx, bool), 1) & (dx != 0)
    return float((dx != dy)[upper].mean()) if upper.any() else 0.0
