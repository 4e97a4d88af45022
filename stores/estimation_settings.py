"""Reads `configs/estimation.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidding.errors import FieldProblem, InvalidRequest
from stores.settings import PROJECT_ROOT


class EstimationSettings(BaseModel):
    """The whole of `configs/estimation.yaml`."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    half_life_days: float = Field(default=30.0, gt=0, le=36_500)


def load_estimation(path: Path | None = None) -> EstimationSettings:
    """The settings of this installation. Raises `InvalidRequest` naming each wrong field."""
    file = path or PROJECT_ROOT / "configs" / "estimation.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return EstimationSettings.model_validate(found)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
        )
        raise InvalidRequest(f"{file.name} is wrong", problems=problems) from error
