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


Ends = tuple[float, float]


class GateSpec(_Value):
    """What a model must be to be promoted. Ratios are predicted over actual outcomes, (low, high).

    A bound is missed when the whole bootstrap interval lies beyond it, or the value itself does
    and there are enough outcomes (`sure_outcomes`) to take it at its word. Without a service to
    `dry_run` on the gate fails; one that does not answer for `dry_run_waits_s` fails the run.
    """

    least_rows: int = Field(default=1_000, ge=1)
    least_outcomes: int = Field(default=50, ge=1)
    ratio: Ends = (0.9, 1.1)
    group_ratio: Ends = (0.8, 1.25)
    least_group_outcomes: int = Field(default=30, ge=1)
    sure_outcomes: int = Field(default=2_000, ge=1)
    largest_importance: float = Field(default=0.6, gt=0, le=1)
    largest_importance_of: Mapping[str, Annotated[float, Field(gt=0, le=1)]] = Field(
        default_factory=dict
    )
    largest_reordering: float = Field(default=0.5, ge=0, le=1)
    dry_run: bool = True
    dry_run_waits_s: float = Field(default=300.0, ge=0)


class ClusterSpec(_Value):
    """The fit over Ray Train's workers.

    `storage` is a folder or `s3://`-like address that all nodes reach, where the workers hand over
    the model; None: a folder of this machine, which does for a cluster of one node.
    """

    from_rows: int = Field(default=2_000_000, ge=1)
    workers: int = Field(default=2, ge=1)
    cpus_per_worker: float = Field(default=0.25, gt=0)
    storage: str | None = None
    timeout_s: float = Field(default=7_200.0, gt=0)


class NightlySpec(_Value):
    """The nightly job: which rows, what is judged on, when an outcome is final.

    A night that failed is tried again, `attempts` times in all.
    """

    at_utc: str = Field(default="02:00", pattern=r"^([01]\d|2[0-3]):[0-5]\d$")
    window_days: int = Field(default=30, ge=1)
    judge_days: int = Field(default=1, ge=1)
    clicks_mature_s: float = Field(default=3_600.0, ge=0)
    conversions_mature_s: float = Field(default=259_200.0, ge=0)
    include_simulated: bool = True
    attempts: int = Field(default=2, ge=1, le=9)
    cluster: ClusterSpec = ClusterSpec()
    niceness: int = Field(default=15, ge=0, le=19)


class TrainingSpec(_Value):
    version: Literal[1] = 1
    split: SplitSpec = SplitSpec()
    booster: BoosterSpec = BoosterSpec()
    recalibration_folds: int = Field(default=5, ge=2)
    encoder: EncoderSpec
    cvr: CvrSpec = CvrSpec()
    gate: GateSpec = GateSpec()
    nightly: NightlySpec = NightlySpec()


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
