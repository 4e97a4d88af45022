"""Which brands an event may name: told by rules that were read just now, or by nobody."""

import asyncio
from typing import Any, cast

import pytest

from bidding.bundle import Brand, RuleBook, Strategy
from bidding.errors import BrokenRuleBook, StoreUnavailable
from deployments.learning import BRANDS_KEPT_S, Catalogue
from deployments.rules_view import RulesFeed
from stores.feature_types import RulesFetched, RulesSnapshot

ACME = {"acme": 1}


class Store:
    """Tells the rules, and counts who asks."""

    def __init__(self) -> None:
        self.asked = 0
        self.brands = ACME
        self.fails: Exception | None = None
        self.feed = RulesFeed(self.fetch)
        self.catalogue = Catalogue(self.feed, cast(Any, None))

    async def fetch(self) -> RulesFetched:
        self.asked += 1
        if self.fails is not None:
            raise self.fails
        brands = {number: Brand(number, 1) for number in self.brands.values()}
        book = RuleBook({1: Strategy(1, "Balanced", 1.0, 0)}, brands, version=self.asked)
        return RulesFetched(RulesSnapshot(book, self.brands, {}, {}))

    async def grow_old(self) -> None:
        await self.feed.refresh()
        self.feed.read_at -= 2 * BRANDS_KEPT_S
        self.asked = 0


@pytest.mark.parametrize(
    ("key", "found"), [(1, 1), ("acme", 1), (2, None), ("other", None), (2**63 - 1, None)]
)
async def test_a_brand_is_known_by_its_number_or_its_key(key: int | str, found: int | None) -> None:
    """The largest number stands for every unknown brand in the rules, and is none itself."""
    store = Store()
    await store.feed.refresh()
    assert await store.catalogue.find_brand(key) == found


async def test_a_brand_that_was_made_meanwhile_is_found_in_the_store() -> None:
    store = Store()
    await store.grow_old()
    store.brands = ACME | {"new": 2}
    assert await asyncio.gather(*(store.catalogue.find_brand("new") for _ in range(9))) == [2] * 9
    assert store.asked == 1


async def test_brands_that_are_none_do_not_load_the_stores() -> None:
    store = Store()
    await store.grow_old()
    assert [await store.catalogue.find_brand(f"none{n}") for n in range(9)] == [None] * 9
    assert store.asked == 1


@pytest.mark.parametrize("error", [StoreUnavailable("away"), BrokenRuleBook("odd")])
async def test_nobody_is_told_that_a_brand_is_none_where_the_rules_cannot_be_read(
    error: Exception,
) -> None:
    store = Store()
    await store.grow_old()
    store.fails = error
    with pytest.raises(StoreUnavailable):
        await store.catalogue.find_brand("new")
    assert await store.catalogue.find_brand("acme") == 1
