"""What logged decisions would be under other rules: who would win instead, and what it is worth."""

from collections.abc import Iterable, Set
from dataclasses import dataclass, field

from bidding.auction import NoWinner
from bidding.bundle import AuctionType
from bidding.evaluate import Evaluation, LoggedBundle, evaluate_bids
from bidding.rulebook import CompiledRules


@dataclass(slots=True)
class Outcome:
    """Wins and value by brand id.

    Value is what the won impressions are expected to bring, base value times quality: without
    the multiplier, or any higher one would look like a gain.
    """

    wins: dict[int, int] = field(default_factory=dict)
    value: dict[int, float] = field(default_factory=dict)

    def add(self, winner: tuple[int, float] | None) -> None:
        if winner is not None:
            self._add(winner[0], 1, winner[1])

    def include(self, other: "Outcome") -> None:
        for brand_id, wins in other.wins.items():
            self._add(brand_id, wins, other.value[brand_id])

    def _add(self, brand_id: int, wins: int, value: float) -> None:
        self.wins[brand_id] = self.wins.get(brand_id, 0) + wins
        self.value[brand_id] = self.value.get(brand_id, 0.0) + value


@dataclass(slots=True)
class Comparison:
    """The same decisions under two sets of rules."""

    decisions: int = 0
    changed_winners: int = 0
    before: Outcome = field(default_factory=Outcome)
    after: Outcome = field(default_factory=Outcome)

    def include(self, other: "Comparison") -> None:
        """Add the comparison of other decisions."""
        self.decisions += other.decisions
        self.changed_winners += other.changed_winners
        self.before.include(other.before)
        self.after.include(other.after)


def compare_rules(
    bundles: Iterable[LoggedBundle],
    before: CompiledRules,
    after: CompiledRules,
    affected: Set[int],
) -> Comparison:
    """Decide each bundle under both; `affected` are the brands that the two treat differently.

    Who wins does not depend on the auction's type, and nobody asks for the prices here: a first
    price costs nothing to find.
    """
    found = Comparison()
    for bundle in bundles:
        first = _decide(bundle, before)
        second = first
        if not affected.isdisjoint(bundle.bids.brand_ids.tolist()):
            second = _decide(bundle, after)
        found.decisions += 1
        found.changed_winners += _winner_index(first) != _winner_index(second)
        found.before.add(_winner(first))
        found.after.add(_winner(second))
    return found


def _decide(bundle: LoggedBundle, rules: CompiledRules) -> Evaluation:
    return evaluate_bids(bundle.bids, bundle.slot, bundle.odds, rules, AuctionType.FIRST_PRICE)


def _winner_index(evaluation: Evaluation) -> int:
    winner = evaluation.winner
    return -1 if isinstance(winner, NoWinner) else winner.index


def _winner(evaluation: Evaluation) -> tuple[int, float] | None:
    index = _winner_index(evaluation)
    if index < 0:
        return None
    value = evaluation.base_value.item(index) * evaluation.quality_multiplier.item(index)
    return evaluation.bids.brand_ids.item(index), value
