"""What is kept for a start without stores comes back as it was, or not at all."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bidding.bundle import AuctionRules, Brand, RuleBook, Strategy, Threshold
from bidding.pricing import PricingModel
from stores import last_known
from stores.feature_types import (
    Counts,
    PairCounts,
    PartnerFeatures,
    RulesSnapshot,
    SlotFeatures,
    VerticalPrior,
)

AUCTION = AuctionRules()
RULES = RulesSnapshot(
    rules=RuleBook(
        strategies={1: Strategy(1, "Balanced", 1.25, 3)},
        brands={
            2: Brand(2, 1, thresholds={PricingModel.CPC: Threshold(min_vpi=0.1)}),
            3: Brand(3, 1, vertical="travel", paused=True),
        },
        auction=AUCTION,
        version=9,
    ),
    brand_ids={"acme": 2, "besten": 3},
    brand_counts={3: Counts(10.5, 2.0, 1.0)},
    priors={("travel", "ctr"): VerticalPrior(3.0, 97.0, 0.03, 0.02, 0.04, 12)},
)
rates = st.floats(0, 1)
counts = st.floats(0, 1e9)


@st.composite
def slots(draw: st.DrawFn) -> SlotFeatures:
    brands = sorted(draw(st.sets(st.integers(1, 2**63 - 1), max_size=4)))
    rows = st.lists(counts, min_size=3 * len(brands), max_size=3 * len(brands))
    return SlotFeatures(
        slot_id=draw(st.integers(1, 2**63 - 1)),
        external_key=draw(st.text(st.characters(codec="utf-8"), max_size=20)),
        placement_score=draw(rates),
        floor=draw(counts),
        vertical=draw(st.text(st.characters(codec="utf-8"), max_size=5)),
        width=draw(st.none() | st.integers(1, 9999)),
        height=draw(st.none() | st.integers(1, 9999)),
        format=draw(st.none() | st.just("banner")),
        paused=draw(st.booleans()),
        partner=PartnerFeatures(
            draw(st.integers(1, 2**63 - 1)),
            "p",
            draw(rates),
            draw(st.none() | st.sampled_from(PricingModel)),
            draw(st.booleans()),
        ),
        decayed=Counts(draw(counts), draw(counts), draw(counts)),
        pairs=PairCounts(
            np.array(brands, np.int64),
            np.array(draw(rows)).reshape(3, -1),
            np.array(draw(rows)).reshape(3, -1),
        ),
        version=draw(st.integers(0, 2**53)),
    )


def plain(slot: SlotFeatures) -> tuple[object, ...]:
    """`slot` in a form that `==` compares."""
    parts = (slot.pairs.brand_ids, slot.pairs.plain, slot.pairs.decayed)
    fields = [getattr(slot, name) for name in SlotFeatures.__slots__ if name != "pairs"]
    return (*fields, *(part.tolist() for part in parts))


@given(st.lists(slots(), max_size=3))
def test_what_is_kept_comes_back_as_it_was(
    tmp_path_factory: pytest.TempPathFactory, kept: list[SlotFeatures]
) -> None:
    path = tmp_path_factory.getbasetemp() / "kept" / "last_known.json"
    last_known.save(path, RULES, kept)
    known = last_known.load(path, AUCTION)
    assert known.rules == RULES
    assert [plain(slot) for slot in known.slots] == [plain(slot) for slot in kept]
    assert [each.name for each in path.parent.iterdir()] == ["last_known.json"]


def test_a_file_cut_off_missing_or_of_another_release_is_none(tmp_path: Path) -> None:
    path = tmp_path / "last_known.json"
    assert last_known.load(path, AUCTION) == last_known.LastKnown()
    last_known.save(path, RULES, [])
    whole = path.read_bytes()
    for body in (whole[: len(whole) // 2], b"[]", b"{}", b'{"rules":{},"slots":[{"slot_id":1}]}'):
        path.write_bytes(body)
        assert last_known.load(path, AUCTION) == last_known.LastKnown()
