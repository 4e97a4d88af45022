"""Reads `configs/features.yaml`."""

from pathlib import Path

import yaml

from bidding.contract import FeatureContract, contract_of
from stores.settings import PROJECT_ROOT


def load_contract(path: Path | None = None) -> FeatureContract:
    """The contract of this installation. Raises `ValueError` or `KeyError` for a broken file."""
    file = path or PROJECT_ROOT / "configs" / "features.yaml"
    return contract_of(yaml.safe_load(file.read_text(encoding="utf-8")))
