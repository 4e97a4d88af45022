"""The auction's knobs come from `configs/auction.yaml`, for serving and for what-if alike."""

import asyncio
from pathlib import Path

import pytest

from bidding.bundle import AuctionRules
from bidding.errors import InvalidRequest
from deployments import features, ops
from stores.auction_settings import load_auction_rules
from stores.features import FeatureStore
from stores.settings import Settings

OTHER = AuctionRules((0.5, 1.0, 1.0, 2.0), 0.25)


def test_the_shipped_file_is_the_guides_example() -> None:
    assert load_auction_rules() == AuctionRules((0.0, 1.0, 1.0, 1.0), 0.01)


def test_what_the_file_says_is_followed(tmp_path: Path) -> None:
    file = tmp_path / "auction.yaml"
    file.write_text("increment: 0.25\nquality_exponents: {CPM: 0.5, CPA_PERCENT: 2}\n")
    assert load_auction_rules(file) == OTHER


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("increment: -1", "increment"),
        ("increment: .nan", "increment"),
        ("increments: 1", "increments"),
        ("quality_exponents: {CPX: 1}", "quality_exponents.CPX"),
        ("quality_exponents: {CPC: -1}", "quality_exponents.CPC"),
    ],
)
def test_a_wrong_knob_is_named(tmp_path: Path, text: str, path: str) -> None:
    file = tmp_path / "auction.yaml"
    file.write_text(text)
    with pytest.raises(InvalidRequest) as refused:
        load_auction_rules(file)
    assert path in {problem.path for problem in refused.value.problems}


def test_serving_and_what_if_both_follow_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (features, ops):
        monkeypatch.setattr(module, "load_auction_rules", lambda: OTHER)
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:1/none")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")

    async def opened() -> list[FeatureStore]:
        settings = Settings()
        return [features.open_feature_store(settings), ops.open_ops(settings).features]

    assert [store.auction for store in asyncio.run(opened())] == [OTHER, OTHER]
