"""`configs/training.yaml` as values: how to split, encode and fit."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidding.errors import FieldProblem, InvalidRequest
from stores.settings import PROJECT_ROOT

Ridge = Annotated[float, Field(gt=0)]


class _Value(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class SplitSpec(_Value):
    """`holdout` is the share of rows kept out of training, the `fold`th of 1/`holdout` parts.

    `folds` and their `salt` are of the out-of-fold posteriors and encodings.
    """

    holdout: float = Field(default=0.2, ge=0, le=0.5)
    fold: int = Field(default=0, ge=0)
    salt: int = Field(default=0, ge=0)
    folds: int = Field(default=10, ge=2, le=50)


class BoosterSpec(_Value):
    """XGBoost's parameters, by its own names."""

    max_depth: int = Field(default=6, ge=1, le=12)
    n_estimators: int = Field(default=200, ge=1, le=5_000)
    learning_rate: float = Field(default=0.1, gt=0, le=1)
    min_child_weight: float = Field(default=1.0, ge=0)
    reg_lambda: float = Field(default=1.0, ge=0)
    subsample: float = Field(default=1.0, gt=0, le=1)
    colsample_bytree: float = Field(default=1.0, gt=0, le=1)
    max_bin: int = Field(default=256, ge=2)
    seed: int = 1
    nthread: int = Field(default=2, ge=1)

    def parameters(self) -> dict[str, Any]:
        """As `xgboost.train` takes them; the number of trees is given apart."""
        fixed = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.5}
        return fixed | self.model_dump(exclude={"n_estimators"})


class VocabularySpec(_Value):
    """The segments that get a column each: seen in `min_rows` rows, at most `size` of them."""

    min_rows: int = Field(default=30, ge=1)
    size: int = Field(default=256, ge=0)


class LinearSpec(_Value):
    """One linear score; a weight's ridge penalty is given where the score has that weight.

    `segments: naive` takes each segment's own log-odds instead of a joint fit, shrunk by `worth`
    expected successes.
    """

    min_rows: int = Field(default=10, ge=1)
    segments: Ridge | Literal["naive"] | None = None
    worth: float = Field(default=3.75, gt=0)
    brand_segments: Ridge | None = None
    columns: Mapping[str, Ridge] = Field(default_factory=dict)
    brand_columns: Mapping[str, Ridge] = Field(default_factory=dict)


class EncoderSpec(_Value):
    """Which features become which columns; `encoded` gives the shrinkage in successes."""

    numeric: tuple[str, ...]
    ordinal: tuple[str, ...] = ()
    encoded: Mapping[str, Annotated[float, Field(gt=0)]] = Field(default_factory=dict)
    vocabulary: VocabularySpec = VocabularySpec()
    linear: Mapping[str, LinearSpec] = Field(default_factory=dict)


class CvrSpec(_Value):
    """The CVR model: fitted from so many conversions on, `without` some numeric features."""

    min_conversions: int = Field(default=100, ge=2)
    without: tuple[str, ...] = ()


class TrainingSpec(_Value):
    version: Literal[1] = 1
    split: SplitSpec = SplitSpec()
    booster: BoosterSpec = BoosterSpec()
    recalibration_folds: int = Field(default=5, ge=2)
    encoder: EncoderSpec
    cvr: CvrSpec = CvrSpec()


def load_spec(path: Path | None = None) -> TrainingSpec:
    """The spec of this installation. Raises `InvalidRequest` naming each wrong field."""
    file = path or PROJECT_ROOT / "configs" / "training.yaml"
    try:
        return TrainingSpec.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
        )
        raise InvalidRequest(f"{file.name} is wrong", problems=problems) from error
