"""`GET /api/models` says what it knows, with MLflow and without."""

import asyncio
from pathlib import Path
from typing import Any

import httpx

from stores.audit import Author
from stores.model_registry import CTR_MODEL
from stores.open_keys import open_keys
from stores.settings import Settings
from tests.live_service import live_service
from tests.mlflow_server import mlflow_server


def models(url: str, postgres_url: str, redis_url: str) -> dict[str, Any]:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)

    async def create() -> str:
        async with open_keys(settings) as keys:
            return (await keys.create("viewer", ["view"], Author("test"))).token

    token = asyncio.run(create())
    answer = httpx.get(
        f"{url}/api/models", headers={"Authorization": f"Bearer {token}"}, timeout=60
    )
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_without_mlflow_it_says_so_and_still_answers(postgres_url: str, redis_url: str) -> None:
    with live_service(postgres_url, redis_url) as url:
        found = models(url, postgres_url, redis_url)
    assert found["registry_reachable"] is False
    assert [each["versions"] for each in found["models"]] == [[], []]


def test_with_mlflow_it_lists_what_is_registered(
    tmp_path: Path, postgres_url: str, redis_url: str
) -> None:
    with (
        mlflow_server(tmp_path) as tracking,
        live_service(postgres_url, redis_url, tracking) as url,
    ):
        registered = httpx.post(
            f"{tracking}/api/2.0/mlflow/registered-models/create", json={"name": CTR_MODEL}
        )
        assert registered.status_code == 200
        found = models(url, postgres_url, redis_url)
    assert found["registry_reachable"] is True
    assert found["models"][0]["name"] == CTR_MODEL
