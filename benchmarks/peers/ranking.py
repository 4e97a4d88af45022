"""What every peer computes: five features, one XGBoost model, CPC value, highest first."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import xgboost as xgb

DEVICES = {"mobile": 0.0, "desktop": 1.0, "tablet": 2.0}
CREATIVES = {"banner": 0.0, "video": 1.0, "native": 2.0}
FEATURES = ("placement_score", "partner_quality", "hour_of_day", "device_type", "creative_type")


def load(path: Path) -> xgb.Booster:
    """The peers' model, one thread a process."""
    booster = xgb.Booster()
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    return booster


def matrix(
    slot: dict[str, float], device: str, creatives: Sequence[str], hour: int
) -> "np.ndarray[tuple[int, int], np.dtype[np.float32]]":
    """float32[n, 5], one row a bid, in the order of `FEATURES`."""
    rows = np.empty((len(creatives), 5), np.float32)
    rows[:, 0] = slot["placement_score"]
    rows[:, 1] = slot["partner_quality"]
    rows[:, 2] = hour
    rows[:, 3] = DEVICES.get(device, -1.0)
    rows[:, 4] = [CREATIVES.get(name, -1.0) for name in creatives]
    return rows


def rank(ctr: Sequence[float], amounts: Sequence[float]) -> list[tuple[int, float]]:
    """Indices and values per impression, best first."""
    values = [amount * rate for amount, rate in zip(amounts, ctr, strict=True)]
    order = sorted(range(len(values)), key=lambda index: -values[index])
    return [(index, values[index]) for index in order]
