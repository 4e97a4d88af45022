"""What a bid is worth per impression before context and strategy."""

import numpy as np
import pytest

from bidding.pricing import PricingModel, base_value, pays_per_conversion

MODELS = np.array(list(PricingModel), np.int8)


def test_each_model_multiplies_what_it_pays_for() -> None:
    value = base_value(
        MODELS,
        amounts=np.array([2.0, 0.5, 10.0, 0.1]),
        aov=np.array([np.nan, np.nan, np.nan, 80.0]),
        ctr=np.full(4, 0.02),
        cvr=np.full(4, 0.1),
    )
    assert value == pytest.approx([0.002, 0.01, 0.02, 0.016])


def test_an_order_value_is_ignored_outside_cpa_percent() -> None:
    known, unknown = (
        base_value(MODELS, np.ones(4), np.full(4, aov), np.full(4, 0.1), np.full(4, 0.1))
        for aov in (50.0, np.nan)
    )
    assert known[:3].tolist() == unknown[:3].tolist()
    assert np.isnan(unknown[3])


def test_a_cpm_bid_does_not_depend_on_clicks() -> None:
    models, amounts, aov = MODELS[:1], np.array([1.5]), np.array([np.nan])
    rarely = base_value(models, amounts, aov, np.array([0.0]), np.array([0.0]))
    often = base_value(models, amounts, aov, np.array([1.0]), np.array([1.0]))
    assert rarely.tolist() == often.tolist() == [0.0015]


def test_inputs_are_left_as_they_were() -> None:
    amounts, ctr = np.full(4, 2.0), np.full(4, 0.5)
    base_value(MODELS, amounts, np.full(4, 9.0), ctr, np.full(4, 0.5))
    assert amounts.tolist() == [2.0] * 4
    assert ctr.tolist() == [0.5] * 4


def test_only_cpa_and_cpa_percent_pay_per_conversion() -> None:
    assert pays_per_conversion(MODELS).tolist() == [False, False, True, True]


def test_pricing_numbers_are_stable() -> None:
    numbers = {model.name: model.value for model in PricingModel}
    assert numbers == {"CPM": 0, "CPC": 1, "CPA": 2, "CPA_PERCENT": 3}
