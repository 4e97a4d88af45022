"""The same ranking behind `mlflow models serve`: a python model, a bundle's bids as records."""

import json
import os
from datetime import datetime
from pathlib import Path
from typing import Any

import mlflow
import pandas as pd
import redis
from mlflow.pyfunc import PythonModel

from benchmarks.peers import ranking


class Ranking(PythonModel):  # type: ignore[misc]
    """Records of one bundle in, the same records ranked out."""

    def load_context(self, context: Any) -> None:
        self._redis = redis.from_url(os.environ["REDIS_URL"])
        self._booster = ranking.load(Path(os.environ["PEER_MODEL"]))

    def predict(self, context: Any, model_input: pd.DataFrame, params: Any = None) -> Any:
        first = model_input.iloc[0]
        slot = json.loads(self._redis.get(f"peer:slot:{first['slot_id']}"))
        hour = datetime.fromisoformat(first["timestamp"]).hour
        creatives = model_input["creative_type"].tolist()
        rows = ranking.matrix(slot, first["device_type"], creatives, hour)
        ctr = self._booster.inplace_predict(rows).tolist()
        ids = model_input["bid_id"].tolist()
        return [
            {"bid_id": ids[index], "rank": place + 1, "vpi": value}
            for place, (index, value) in enumerate(
                ranking.rank(ctr, model_input["amount"].tolist())
            )
        ]


mlflow.models.set_model(Ranking())
