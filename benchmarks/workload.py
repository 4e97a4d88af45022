"""The same model and catalogue for ours and for the peers, so that all must rank alike.

200 trees of depth 6 over five features. Ours serves them as `adbid-ctr` and `adbid-cvr` on top of
a posterior that is the same for every pair (no history); the peers start from that rate.
"""

import json
import logging
from pathlib import Path

import mlflow
import numpy as np
import psycopg
import redis
import xgboost as xgb

from benchmarks.bodies import BRANDS, SLOTS
from benchmarks.peers.ranking import CREATIVES, DEVICES, FEATURES
from bidding.batch import ScoreBatch
from bidding.contract import FeatureContract, code
from bidding.encoder import Encoder
from bidding.lookups import lookup_of
from bidding.matrix import bundle_batch
from bidding.posterior import Prior
from stores import model_files
from stores.database_url import plain_url
from stores.feature_contract import load_contract
from stores.model_files import ServingModel
from stores.model_registry import CHAMPION, CTR_MODEL, CVR_MODEL
from training.fit import groups_of

TREES, DEPTH, ROWS = 200, 6, 40_000
NO_VOCABULARY = np.empty(0, np.int64)
_CATALOGUE = """
    INSERT INTO brand (id, external_key, name, vertical, strategy_id)
    OVERRIDING SYSTEM VALUE
    SELECT n, 'bench-' || n, 'bench ' || n, '', 1 FROM generate_series(1, %(brands)s) n
    ON CONFLICT (id) DO NOTHING;
"""
_LEVEL = (
    "UPDATE brand SET strategy_id = (SELECT id FROM brand_strategy WHERE name = 'Balanced'),"
    " vertical = ''",
    "UPDATE slot SET floor = 0, vertical = ''",
    "TRUNCATE performance, pair_total, brand_total",
    "DELETE FROM vertical_prior",
    "UPDATE engine_state SET version = version + 1",
)


def fit() -> xgb.Booster:
    """Trees deep enough to cost what real ones cost, from made-up clicks."""
    rng = np.random.default_rng(5)
    rows = np.column_stack(
        [
            rng.random(ROWS),
            rng.random(ROWS),
            rng.integers(0, 24, ROWS),
            rng.integers(-1, len(DEVICES), ROWS),
            rng.integers(-1, len(CREATIVES), ROWS),
        ]
    ).astype(np.float32)
    odds = -3.5 + rows[:, 0] + 0.5 * rows[:, 1] + 0.3 * np.sin(rows[:, 2] / 4) + 0.4 * rows[:, 4]
    clicked = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    parameters = {
        "objective": "binary:logistic",
        "max_depth": DEPTH,
        "learning_rate": 0.1,
        "tree_method": "hist",
        "base_score": Prior().mean,
    }
    return xgb.train(parameters, xgb.DMatrix(rows, clicked), TREES)


def serving_model(name: str, booster: xgb.Booster, contract: FeatureContract) -> ServingModel:
    """The trees as we serve them."""
    numeric = tuple(
        feature for feature in FEATURES if feature not in ("device_type", "creative_type")
    )
    ordinal = {
        "device_type": lookup_of([code(n) for n in DEVICES], list(DEVICES.values()), -1.0),
        "creative_type": lookup_of([code(n) for n in CREATIVES], list(CREATIVES.values()), -1.0),
    }
    encoder = Encoder(contract.shared, contract.per_bid, numeric, {}, ordinal, NO_VOCABULARY, {})
    rate = "ctr" if name == CTR_MODEL else "cvr"
    groups = groups_of(encoder, contract)
    return ServingModel(name, "1", booster, encoder, contract.hash, rate, groups, 0.0, {})


def level_catalogue(database_url: str) -> dict[int, dict[str, float]]:
    """Brands 1..100 on equal terms, slots without floors; what the peers need of each slot."""
    with psycopg.connect(plain_url(database_url)) as connection:
        connection.execute(_CATALOGUE, {"brands": BRANDS})
        for statement in _LEVEL:
            connection.execute(statement)
        rows = connection.execute(
            "SELECT s.id, s.placement_score, p.quality FROM slot s "
            "JOIN partner p ON p.id = s.partner_id WHERE s.id <= %s",
            (SLOTS,),
        ).fetchall()
    return {i: {"placement_score": score, "partner_quality": q} for i, score, q in rows}


def tell_peers(redis_url: str, slots: dict[int, dict[str, float]]) -> None:
    """The slots as JSON, where the peers read them."""
    client = redis.Redis.from_url(redis_url)
    for slot_id, slot in slots.items():
        client.set(f"peer:slot:{slot_id}", json.dumps(slot))


def register(tracking_uri: str, booster: xgb.Booster, scratch: Path) -> None:
    """Both models, each as version 1 and champion."""
    logging.getLogger("mlflow").setLevel(logging.ERROR)
    mlflow.set_tracking_uri(tracking_uri)
    client, contract = mlflow.MlflowClient(), load_contract()
    experiment = mlflow.set_experiment("benchmark")
    for name in (CTR_MODEL, CVR_MODEL):
        model = serving_model(name, booster, contract)
        model_files.save(scratch / name, model, _golden(contract))
        logged = client.create_logged_model(experiment.experiment_id, name=name)
        client.log_model_artifacts(logged.model_id, str(scratch / name))
        client.finalize_logged_model(logged.model_id, "READY")
        client.create_registered_model(name)
        version = client.create_model_version(
            name, f"models:/{logged.model_id}", model_id=logged.model_id
        )
        client.set_registered_model_alias(name, CHAMPION, version.version)


def save_for_mlflow(folder: Path) -> Path:
    """The peers' ranking as a python model that `mlflow models serve` takes."""
    code = Path(__file__).parent / "peers" / "mlflow_model.py"
    mlflow.pyfunc.save_model(str(folder), python_model=str(code), pip_requirements=[])
    return folder


def _golden(contract: FeatureContract) -> ScoreBatch:
    """A few rows in the contract's layout."""
    rng = np.random.default_rng(3)
    rates = np.full(16, Prior().mean)
    shared = {name: float(rng.random()) for name in contract.shared}
    per_bid = {name: rng.random(16) for name in contract.per_bid}
    return bundle_batch(contract, shared, np.empty(0, np.int32), per_bid, rates, rates)
