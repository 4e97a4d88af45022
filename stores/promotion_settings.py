"""Reads `configs/promotion.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from bidding.errors import FieldProblem, InvalidRequest
from bidding.watch import Bounds
from stores.settings import PROJECT_ROOT


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class WatchSettings(_Checked):
    """How a new champion is watched."""

    every_s: PositiveFloat = 2.0
    judge_every_s: PositiveFloat = 10.0
    window_s: PositiveFloat = 1800.0
    settle_s: float = Field(default=60.0, ge=0)
    lowest_ratio: float = Field(default=0.67, gt=0, le=1)
    highest_ratio: float = Field(default=1.5, ge=1)
    most_errors: float = Field(default=0.02, ge=0, le=1)
    confidence: float = Field(default=0.9999, gt=0.5, lt=1)
    outcomes: PositiveInt = 100_000

    @property
    def bounds(self) -> Bounds:
        return Bounds(self.lowest_ratio, self.highest_ratio, self.most_errors, self.confidence)


class ShadowSettings(_Checked):
    """How much live traffic a challenger sees."""

    sample: float = Field(default=0.05, ge=0, le=1)
    per_s: PositiveFloat = 20.0
    flush_s: PositiveFloat = 1.0
    keep_days: PositiveInt = 14


class PromotionSettings(_Checked):
    """The whole of `configs/promotion.yaml`."""

    watch: WatchSettings = WatchSettings()
    shadow: ShadowSettings = ShadowSettings()
    compare_days: PositiveInt = 7


def load_promotion_settings(path: Path | None = None) -> PromotionSettings:
    """The rules of this installation. Raises `InvalidRequest` naming each wrong field."""
    file = path or PROJECT_ROOT / "configs" / "promotion.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return PromotionSettings.model_validate(found)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
        )
        raise InvalidRequest(f"{file.name} is wrong", problems=problems) from error
