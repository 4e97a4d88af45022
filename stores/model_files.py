"""A model as files: a UBJ booster, its encoder as JSON, golden rows, and what they must give.

Nothing here is code (no pickle). `load` proves what it loads: sizes, contract, golden rows.
"""

import errno
import json
import time
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.special import logit

from bidding.batch import Float32s, ScoreBatch
from bidding.distinct import DistinctRows
from bidding.encoder import Encoder
from bidding.errors import ContractMismatch, ModelRefused, StoreUnavailable
from stores import direct_predict

BOOSTER = "model.ubj"
ENCODER = "encoder.json"
FACTS = "model.json"
GOLDEN = "golden.npz"
FILES = (BOOSTER, ENCODER, FACTS, GOLDEN)
LARGEST_FILE = 200 * 1024 * 1024
GOLDEN_TOLERANCE = 1e-4
_FIELDS = ("shared", "segments", "segment_offsets", "rows", "row_bundle", "ctr", "cvr")
_LEAST = 1e-9
# What goes wrong with this machine, not with a model.
_OURS = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EROFS}
)
_UNREADABLE = (KeyError, TypeError, ValueError, IndexError, OSError, zipfile.BadZipFile)


@dataclass(frozen=True, slots=True, eq=False)
class ServingModel:
    """`predicted = sigmoid(logit(posterior) + intercept + trees(context))`.

    `intercept` recalibrates; `groups` maps factor groups to columns; `facts` is training's word.
    """

    name: str
    version: str
    booster: xgb.Booster
    encoder: Encoder
    contract_hash: str
    rate: str
    groups: Mapping[str, tuple[int, ...]]
    intercept: float
    facts: Mapping[str, Any]
    _distinct: DistinctRows = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_distinct", DistinctRows(len(self.encoder.names)))

    def predict(self, batch: ScoreBatch, posterior: Float32s) -> Float32s:
        """Probabilities, float32[N], of a batch whose posterior means are `posterior`."""
        margin = self._margin(posterior)
        matrix = self.encoder.transform(batch)
        kinds = self._distinct.of(matrix, margin)
        if kinds is None:
            return direct_predict.predict(self.booster, matrix, margin)
        first, kind = kinds
        return direct_predict.predict(self.booster, matrix[first], margin[first]).take(kind)

    def contributions(
        self, batch: ScoreBatch, posterior: Float32s
    ) -> dict[str, NDArray[np.float64]]:
        """What each factor group adds in log-odds, float64[N] a group."""
        data = xgb.DMatrix(self.encoder.transform(batch), base_margin=self._margin(posterior))
        each = self.booster.predict(data, pred_contribs=True, validate_features=False)
        return {
            group: each[:, list(columns)].sum(axis=1, dtype=np.float64)
            for group, columns in self.groups.items()
        }

    def check_contract(self, contract_hash: str) -> None:
        """Raises `ContractMismatch` when this installation fills another contract."""
        if self.contract_hash != contract_hash:
            raise ContractMismatch(
                f"{self.name} {self.version} was trained for the feature contract "
                f"{self.contract_hash[:12]}, this installation has {contract_hash[:12]}"
            )

    def check_name(self) -> None:
        """Raises `ModelRefused` when it was trained for another rate than its name promises."""
        wanted = self.name.removeprefix("adbid-")
        if self.rate != wanted:
            raise ModelRefused(f"{self.name} {self.version} predicts {self.rate}, not {wanted}")

    def warm_up(self) -> float:
        """Score 100 rows a few times; the median in milliseconds."""
        batch = random_batch(self.encoder, 100)
        times = []
        for _ in range(7):
            started = time.perf_counter()
            self.predict(batch, batch.ctr)
            times.append(time.perf_counter() - started)
        return float(np.median(times)) * 1000.0

    def _margin(self, posterior: Float32s) -> Float32s:
        inside = np.clip(posterior, _LEAST, 1 - 1e-6)
        margin: Float32s = (logit(inside) + self.intercept).astype(np.float32)
        return margin


def save(directory: Path, model: ServingModel, golden: ScoreBatch) -> None:
    """Write a model's files; `golden` is a small batch whose predictions are kept with it."""
    directory.mkdir(parents=True, exist_ok=True)
    model.booster.save_model(directory / BOOSTER)
    (directory / ENCODER).write_text(json.dumps(model.encoder.to_dict()))
    facts = {
        "contract_hash": model.contract_hash,
        "rate": model.rate,
        "intercept": model.intercept,
        "groups": {group: list(columns) for group, columns in model.groups.items()},
        "facts": dict(model.facts),
    }
    (directory / FACTS).write_text(json.dumps(facts, indent=1))
    posterior = golden.ctr if model.rate == "ctr" else golden.cvr
    arrays = {name: getattr(golden, name) for name in _FIELDS}
    arrays["expected"] = model.predict(golden, posterior)
    np.savez(directory / GOLDEN, allow_pickle=False, **arrays)


def load(directory: Path, *, name: str, version: str) -> ServingModel:
    """Load and prove a model.

    Raises `ModelRefused` with the reason, `StoreUnavailable` where this machine can't read it now.
    """
    for file in FILES:
        _check_size(directory / file)
    try:
        facts = json.loads((directory / FACTS).read_text())
        model = ServingModel(
            name=name,
            version=version,
            booster=_booster(directory / BOOSTER),
            encoder=Encoder.from_dict(json.loads((directory / ENCODER).read_text())),
            contract_hash=str(facts["contract_hash"]),
            rate=str(facts["rate"]),
            groups={str(g): tuple(map(int, c)) for g, c in facts["groups"].items()},
            intercept=float(facts["intercept"]),
            facts=dict(facts["facts"]),
        )
        _prove(model, directory / GOLDEN)
    except (*_UNREADABLE, xgb.core.XGBoostError) as error:
        kind = type(error).__name__
        if isinstance(error, OSError) and error.errno in _OURS:
            raise StoreUnavailable(f"the disk: {error}") from error
        raise ModelRefused(f"the files can't be read: {kind}: {str(error)[:200]}") from error
    return model


def _check_size(path: Path) -> None:
    if not path.is_file() or path.is_symlink():
        raise ModelRefused(f"{path.name} is missing")
    if path.stat().st_size > LARGEST_FILE:
        raise ModelRefused(f"{path.name} is larger than {LARGEST_FILE} bytes")


def _booster(path: Path) -> xgb.Booster:
    booster = xgb.Booster()
    booster.load_model(path)
    booster.set_param({"nthread": 1})
    return booster


def _prove(model: ServingModel, golden_file: Path) -> None:
    if model.booster.num_features() != len(model.encoder.names):
        raise ModelRefused(
            f"the booster takes {model.booster.num_features()} columns, the encoder makes "
            f"{len(model.encoder.names)}"
        )
    columns = [column for group in model.groups.values() for column in group]
    if not all(0 <= column < model.booster.num_features() for column in columns):
        raise ModelRefused("a factor group names a column that is not there")
    with np.load(golden_file, allow_pickle=False) as arrays:
        batch = ScoreBatch(**{field: arrays[field] for field in _FIELDS})
        expected = arrays["expected"]
    posterior = batch.ctr if model.rate == "ctr" else batch.cvr
    found = model.predict(batch, posterior)
    _check_rates(np.concatenate([found, expected]), "golden rows")
    if not np.allclose(found, expected, rtol=1e-2, atol=GOLDEN_TOLERANCE):
        raise ModelRefused("golden rows do not give what training saw")
    anything = random_batch(model.encoder, 256)
    for likely in (anything.ctr, 1 - anything.ctr):
        _check_rates(model.predict(anything, likely), "some inputs")


def _check_rates(values: Float32s, which: str) -> None:
    if not np.isfinite(values).all():
        raise ModelRefused(f"{which} give values that are not finite")
    if (values < 0).any() or (values > 1).any():
        raise ModelRefused(f"{which} give values that are no rates: they are not within 0 and 1")


def random_batch(encoder: Encoder, rows: int) -> ScoreBatch:
    """Reproducible nonsense in the right layout, with missing values among it."""
    rng = np.random.default_rng(20_261_123)
    shared = rng.uniform(0, 1000, (1, len(encoder.shared))).astype(np.float32)
    per_bid = rng.uniform(0, 1000, (rows, len(encoder.per_bid))).astype(np.float32)
    segments = rng.choice(encoder.vocabulary, 5) if len(encoder.vocabulary) else np.zeros(0)
    return ScoreBatch(
        shared=shared,
        segments=segments.astype(np.int32),
        segment_offsets=np.array([0, len(segments)], np.int32),
        rows=per_bid,
        row_bundle=np.zeros(rows, np.int32),
        ctr=rng.uniform(1e-5, 0.5, rows).astype(np.float32),
        cvr=rng.uniform(1e-5, 0.5, rows).astype(np.float32),
    )
