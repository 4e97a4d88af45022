"""The catalogue's promises, kept by the one on PostgreSQL and by its in-memory twin."""

import asyncio
from collections.abc import AsyncIterator
from decimal import Decimal

import pytest
from pydantic import ValidationError

from bidding.errors import Conflict, InvalidRequest, NotFound, PreconditionFailed
from stores.audit import Author
from stores.catalogue import Catalogue
from stores.editing import Editing
from stores.memory_catalogue import MemoryCatalogue
from stores.nouns import BRANDS, PARTNERS, SLOTS, STRATEGIES
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.records import BrandDraft, BrandRecord, PartnerDraft, SlotDraft, StrategyDraft
from stores.redis_cache import RedisCache

OPS = Author("ops", "a test")
numbers = iter(range(10_000))


def unique(word: str) -> str:
    return f"{word} {next(numbers)}"


@pytest.fixture(params=["postgres", "memory"])
async def catalogue(
    request: pytest.FixtureRequest, postgres_url: str, redis_url: str
) -> AsyncIterator[Editing]:
    if request.param == "memory":
        twin = MemoryCatalogue()
        await twin.seed()
        yield twin
        return
    postgres, redis = Postgres(postgres_url), RedisCache(redis_url)
    publisher = Publisher(postgres, redis)
    yield Catalogue(postgres, publisher)
    await publisher.aclose()
    await redis.aclose()
    await postgres.aclose()


def strategy(name: str, multiplier: str = "1.5") -> StrategyDraft:
    return StrategyDraft(name=name, vpi_multiplier=Decimal(multiplier), priority=3)


async def new_brand(catalogue: Editing, strategy_id: int) -> BrandRecord:
    draft = BrandDraft.model_validate(
        {
            "external_key": unique("brand"),
            "name": unique("Brand"),
            "strategy_id": strategy_id,
            "thresholds": {"CPC": {"min_vpi": 0.001, "max_vpi": 0.02}},
        }
    )
    return await catalogue.create(BRANDS, draft, OPS)


async def test_what_is_created_is_read_back_exactly(catalogue: Editing) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s"), "1.2345"), OPS)
    read = await catalogue.fetch(STRATEGIES, made.id)
    assert read == made
    assert read.vpi_multiplier == Decimal("1.2345")
    assert read.version == 1
    brand = await new_brand(catalogue, made.id)
    again = await catalogue.fetch(BRANDS, brand.id)
    assert again.thresholds["CPC"].max_vpi == 0.02
    assert again == brand


async def test_each_write_raises_the_version_and_an_old_version_is_refused(
    catalogue: Editing,
) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s")), OPS)
    second = await catalogue.replace(
        STRATEGIES, made.id, strategy(made.name, "2"), OPS, version=made.version
    )
    assert second.version == 2
    assert second.created_at == made.created_at
    with pytest.raises(PreconditionFailed, match="version 2 now, not 1"):
        await catalogue.replace(STRATEGIES, made.id, strategy(made.name, "3"), OPS, version=1)
    with pytest.raises(PreconditionFailed):
        await catalogue.delete(STRATEGIES, made.id, OPS, version=1)
    assert (await catalogue.fetch(STRATEGIES, made.id)).vpi_multiplier == 2


async def test_of_two_writers_at_once_one_is_told(catalogue: Editing) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s")), OPS)
    outcomes = await asyncio.gather(
        *(
            catalogue.replace(STRATEGIES, made.id, strategy(made.name, m), OPS, version=1)
            for m in ("2", "3")
        ),
        return_exceptions=True,
    )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        "PreconditionFailed",
        "StrategyRecord",
    ]


async def test_pages_are_by_id_with_the_total_and_filter_by_name_in_any_case(
    catalogue: Editing,
) -> None:
    word = unique("Pageable")
    made = [await catalogue.create(STRATEGIES, strategy(f"{word}_{n}%"), OPS) for n in range(5)]
    page = await catalogue.fetch_page(STRATEGIES, name=word.upper(), limit=2, offset=2)
    assert page.total == 5
    assert [row.id for row in page.rows] == [made[2].id, made[3].id]
    beyond = await catalogue.fetch_page(STRATEGIES, name=word, offset=50)
    assert (beyond.rows, beyond.total) == ([], 5)
    literal = await catalogue.fetch_page(STRATEGIES, name=f"{word}_3%")
    assert [row.id for row in literal.rows] == [made[3].id]
    assert (await catalogue.fetch_page(STRATEGIES, name="no such % name")).total == 0


async def test_a_key_in_use_is_a_conflict(catalogue: Editing) -> None:
    name = unique("s")
    await catalogue.create(STRATEGIES, strategy(name), OPS)
    with pytest.raises(Conflict, match="name"):
        await catalogue.create(STRATEGIES, strategy(name), OPS)
    draft = PartnerDraft(external_key=unique("p"), name="p")
    await catalogue.create(PARTNERS, draft, OPS)
    with pytest.raises(Conflict, match="external_key"):
        await catalogue.create(PARTNERS, draft, OPS)


async def test_a_parent_that_is_not_there_is_named(catalogue: Editing) -> None:
    with pytest.raises(InvalidRequest, match="strategy_id: there is no such strategy"):
        await new_brand(catalogue, 10**12)
    draft = SlotDraft(external_key=unique("s"), name="s", partner_id=10**12)
    with pytest.raises(InvalidRequest, match="partner_id"):
        await catalogue.create(SLOTS, draft, OPS)


async def test_a_strategy_in_use_is_not_deleted_and_its_brands_are_named(
    catalogue: Editing,
) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s")), OPS)
    brands = [await new_brand(catalogue, made.id) for _ in range(2)]
    with pytest.raises(Conflict) as caught:
        await catalogue.delete(STRATEGIES, made.id, OPS)
    assert all(brand.name in caught.value.detail for brand in brands)
    for brand in brands:
        await catalogue.delete(BRANDS, brand.id, OPS)
    await catalogue.delete(STRATEGIES, made.id, OPS)
    with pytest.raises(NotFound):
        await catalogue.fetch(STRATEGIES, made.id)


@pytest.mark.parametrize("row_id", [0, -1, 10**15, 2**63, 2**80])
async def test_an_id_that_no_row_has_is_not_found(catalogue: Editing, row_id: int) -> None:
    with pytest.raises(NotFound):
        await catalogue.fetch(SLOTS, row_id)
    with pytest.raises(NotFound):
        await catalogue.delete(SLOTS, row_id, OPS)


async def newest_audit_id(catalogue: Editing) -> int:
    if isinstance(catalogue, MemoryCatalogue):
        return catalogue.audit[-1].id
    assert isinstance(catalogue, Catalogue)
    rows = await catalogue._postgres.fetch("SELECT max(id) FROM audit_log")
    return int(rows[0][0])


async def test_an_update_is_undone_once(catalogue: Editing) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s"), "1.5"), OPS)
    await catalogue.replace(STRATEGIES, made.id, strategy(made.name, "2.5"), OPS)
    audit_id = await newest_audit_id(catalogue)
    undone = await catalogue.revert(audit_id, OPS)
    assert undone is not None
    now = await catalogue.fetch(STRATEGIES, made.id)
    assert (now.vpi_multiplier, now.version) == (Decimal("1.5"), 3)
    with pytest.raises(Conflict):
        await catalogue.revert(audit_id, OPS)
    redone = await catalogue.revert(await newest_audit_id(catalogue), OPS)
    assert redone is not None
    assert (await catalogue.fetch(STRATEGIES, made.id)).vpi_multiplier == Decimal("2.5")


async def test_undoing_leaves_later_changes_of_other_fields(catalogue: Editing) -> None:
    name = unique("s")
    made = await catalogue.create(STRATEGIES, strategy(name, "1.5"), OPS)
    await catalogue.replace(STRATEGIES, made.id, strategy(name, "2.5"), OPS)
    audit_id = await newest_audit_id(catalogue)
    await catalogue.replace(STRATEGIES, made.id, strategy(f"{name} renamed", "2.5"), OPS)
    await catalogue.revert(audit_id, OPS)
    now = await catalogue.fetch(STRATEGIES, made.id)
    assert (now.name, now.vpi_multiplier) == (f"{name} renamed", Decimal("1.5"))


async def test_undoing_what_was_changed_again_is_a_conflict(catalogue: Editing) -> None:
    made = await catalogue.create(STRATEGIES, strategy(unique("s"), "1.5"), OPS)
    await catalogue.replace(STRATEGIES, made.id, strategy(made.name, "2.5"), OPS)
    audit_id = await newest_audit_id(catalogue)
    await catalogue.replace(STRATEGIES, made.id, strategy(made.name, "3.5"), OPS)
    with pytest.raises(Conflict, match="vpi_multiplier"):
        await catalogue.revert(audit_id, OPS)
    assert (await catalogue.fetch(STRATEGIES, made.id)).vpi_multiplier == Decimal("3.5")


async def test_a_deleted_row_comes_back_with_its_id_and_a_created_one_goes(
    catalogue: Editing,
) -> None:
    parent = await catalogue.create(STRATEGIES, strategy(unique("s")), OPS)
    brand = await new_brand(catalogue, parent.id)
    await catalogue.delete(BRANDS, brand.id, OPS)
    back = await catalogue.revert(await newest_audit_id(catalogue), OPS)
    assert back is not None
    again = await catalogue.fetch(BRANDS, brand.id)
    assert (again.id, again.thresholds, again.version) == (brand.id, brand.thresholds, 2)
    made = await catalogue.create(STRATEGIES, strategy(unique("s")), OPS)
    assert await catalogue.revert(await newest_audit_id(catalogue), OPS) is None
    with pytest.raises(NotFound):
        await catalogue.fetch(STRATEGIES, made.id)


async def test_undoing_an_unknown_entry_is_not_found(catalogue: Editing) -> None:
    with pytest.raises(NotFound):
        await catalogue.revert(10**12, OPS)


@pytest.mark.parametrize(
    "wrong",
    [
        {"vpi_multiplier": 0},
        {"vpi_multiplier": 10.0001},
        {"vpi_multiplier": "NaN"},
        {"vpi_multiplier": "Infinity"},
        {"vpi_multiplier": 1.00001},
        {"priority": 1.5},
        {"priority": "1"},
        {"priority": True},
        {"priority": 2**31},
        {"name": ""},
        {"name": "a\0b"},
        {"name": None},
        {"surprise": 1},
    ],
)
def test_a_wrong_strategy_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        StrategyDraft.model_validate({"name": "n", "vpi_multiplier": 1.3, "priority": 1} | wrong)


@pytest.mark.parametrize(
    "wrong",
    [
        {"floor": -0.01},
        {"floor": "NaN"},
        {"floor": 1e300},
        {"placement_score": 1.01},
        {"placement_score": float("nan")},
        {"width": 0},
        {"partner_id": 0},
        {"partner_id": 2**63},
        {"external_key": "k" * 201},
    ],
)
def test_a_wrong_slot_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SlotDraft.model_validate({"external_key": "k", "name": "n", "partner_id": 1} | wrong)


@pytest.mark.parametrize(
    "thresholds",
    [
        {"CPC": {"min_vpi": 0.2, "max_vpi": 0.1}},
        {"CPC": {"min_vpi": -1}},
        {"CPX": {"min_vpi": 1}},
        {"CPC": {"max_vpi": float("inf")}},
    ],
)
def test_wrong_thresholds_are_refused(thresholds: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BrandDraft.model_validate(
            {"external_key": "k", "name": "n", "strategy_id": 1, "thresholds": thresholds}
        )
