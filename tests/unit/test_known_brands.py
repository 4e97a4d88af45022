"""Which brands an event may name."""

from types import SimpleNamespace
from typing import Any, cast

import pytest

from bidding.bundle import Brand, RuleBook, Strategy
from deployments.learning import Catalogue
from deployments.rules_view import view_of
from stores.feature_types import RulesSnapshot


@pytest.mark.parametrize(
    ("key", "found"), [(1, 1), ("acme", 1), (2, None), ("other", None), (2**63 - 1, None)]
)
def test_a_brand_is_known_by_its_number_or_its_key(key: int | str, found: int | None) -> None:
    """The largest number stands for every unknown brand in the rules, and is none itself."""
    book = RuleBook({1: Strategy(1, "Balanced", 1.0, 0)}, {1: Brand(1, 1)})
    view = view_of(RulesSnapshot(book, {"acme": 1}, {}, {}))
    rules = cast(Any, SimpleNamespace(view=view))
    assert Catalogue(rules, cast(Any, None)).find_brand(key) == found
