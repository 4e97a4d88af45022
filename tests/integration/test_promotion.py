"""From the alias in a real MLflow to what a replica serves: good versions in, bad ones out."""

import asyncio
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from mlflow import MlflowClient

from bidding.batch import ScoreBatch
from bidding.errors import ModelRefused
from deployments.model_slot import FIRST_PAUSE_S, ModelSlot
from stores import model_check, model_registry
from stores.audit import Author
from stores.feature_contract import load_contract
from stores.key_types import SCOPES
from stores.model_fetch import ModelFiles
from stores.model_files import FILES
from stores.model_registry import CHALLENGER, CHAMPION, CTR_MODEL, MemoryRegistry, MlflowRegistry
from stores.open_keys import open_keys
from stores.redis_blobs import RedisBlobs
from stores.settings import Settings
from stores.training_rows import file_rows
from tests.ipinyou_log import write_log
from tests.live_service import live_service
from tests.mlflow_server import add_version, bad_files, mlflow_server, without_downloads
from training import registry
from training.dataset import dataset_of
from training.pipeline import Trained, train
from training.spec import load_spec

MODELS = "/api/models"
BAD = {
    "wrong contract": "trained for the feature contract",
    "NaN": "not finite",
    "corrupt file": "can't be read|crashed",
    "missing artifact": "can't be had|holds no",
    "ten times slower": "times the current model",
}


@dataclass(frozen=True)
class World:
    """A registry with two good versions, the first of them champion."""

    uri: str
    client: MlflowClient
    trained: Trained

    @property
    def golden(self) -> ScoreBatch:
        return self.trained.fitted.golden

    def promote(self, version: str) -> None:
        self.client.set_registered_model_alias(CTR_MODEL, CHAMPION, version)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("mlflow")
    spec = load_spec()
    booster = spec.booster.model_copy(update={"n_estimators": 40, "learning_rate": 0.1})
    spec = spec.model_copy(update={"booster": booster})
    log = write_log(folder / "log.csv.gz", 4_000)
    trained = train(dataset_of(file_rows(log, 5.0), load_contract()), load_contract(), spec)
    with mlflow_server(folder) as uri:
        client = registry.connect(uri)
        for _ in range(2):
            registry.register(client, trained, spec)
        yield World(uri, client, trained)


@pytest.fixture(autouse=True)
def first_is_champion(world: World) -> None:
    world.promote("1")


def a_slot(
    root: Path, uri: str, *, blobs: RedisBlobs | None = None, down: bool = False
) -> ModelSlot:
    """What a scoring replica holds, on its own disk."""
    environment = os.environ | {"MLFLOW_TRACKING_URI": uri, "ADBID_HOME": str(root)}
    source = MemoryRegistry() if down else MlflowRegistry(uri, timeout_s=20.0)
    if isinstance(source, MemoryRegistry):
        source.down = True
    files = ModelFiles(root / "models", blobs, environment)
    return ModelSlot(CTR_MODEL, source, files, contract_hash=load_contract().hash)


async def serve_while(slot: ModelSlot, batch: ScoreBatch, work: "asyncio.Task[None]") -> set[str]:
    """The versions that answered while `work` went on; every answer is finite."""
    versions = set()
    while not work.done():
        model = slot.current
        assert model is not None
        assert np.isfinite(model.predict(batch, batch.ctr)).all()
        versions.add(model.version)
        await asyncio.sleep(0.005)
    await work
    return versions


async def test_a_move_of_the_alias_swaps_the_model_while_it_serves(
    world: World, tmp_path: Path
) -> None:
    slot = a_slot(tmp_path, world.uri)
    await slot.start()
    world.promote("2")
    served = await serve_while(slot, world.golden, asyncio.create_task(slot.follow_once()))
    assert served <= {"1", "2"}
    assert slot.report.version == "2"


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_model_is_refused_and_the_old_one_serves_on(
    world: World, tmp_path: Path, kind: str
) -> None:
    slot = a_slot(tmp_path, world.uri)
    await slot.start()
    good = world.trained.fitted.serving
    files = bad_files(kind, good, world.golden, tmp_path / "bad")
    version = add_version(world.client, CTR_MODEL, files)
    world.promote(version)
    served = await serve_while(slot, world.golden, asyncio.create_task(slot.follow_once()))
    assert served == {"1"}
    assert slot.report.version == "1"
    assert slot.report.reloads == {"swapped": 1, "refused": 1, "failed": 0}
    reason = slot.report.refused[version]
    assert any(words in reason for words in BAD[kind].split("|")), reason
    tags = world.client.get_model_version(CTR_MODEL, version).tags
    assert tags["serving"] == f"refused: {reason}"
    await slot.follow_once()  # it is not tried again at once
    assert slot.report.reloads["refused"] == 1


@pytest.fixture
def download(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Path]:
    """Downloads version 1, as the check does."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", world.uri)
    return lambda: model_check.download(CTR_MODEL, "1", tmp_path)


def test_only_the_files_of_a_model_are_downloaded(
    download: Callable[[], Path], tmp_path: Path
) -> None:
    assert download() == tmp_path
    assert {each.name for each in tmp_path.iterdir()} == set(FILES)


def test_what_is_too_large_is_not_downloaded(
    download: Callable[[], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_check, "LARGEST_FILE", 10_000)
    with pytest.raises(ModelRefused, match="larger than 10000 bytes"):
        download()
    assert not list(tmp_path.iterdir())


SMALL_FILES = """
import resource
limit = resource.setrlimit
def lower(which, limits):
    limit(which, (10_000, 10_000) if which == resource.RLIMIT_FSIZE else limits)
resource.setrlimit = lower
"""


async def test_what_grows_beyond_what_was_listed_is_refused(world: World, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(SMALL_FILES)
    environment = {"MLFLOW_TRACKING_URI": world.uri, "PYTHONPATH": str(tmp_path)}
    files = ModelFiles(tmp_path / "models", None, os.environ | environment)
    with pytest.raises(ModelRefused, match="File too large"):
        await files.fetch(CTR_MODEL, "1")
    assert {each.name for each in (tmp_path / "models" / CTR_MODEL).iterdir()} == {".1.lock", "1"}


async def test_a_new_version_pushes_old_ones_off_the_disk_that_nobody_serves(
    world: World, tmp_path: Path
) -> None:
    home = tmp_path / "models" / CTR_MODEL
    for version in range(11, 20):
        (home / str(version)).mkdir(parents=True)
        age_s = 60 if version == 13 else 3_600  # another replica is about to load it
        os.utime(home / str(version), (time.time() - age_s,) * 2)
    (home / "last_good").write_text("11")
    files = ModelFiles(tmp_path / "models", None, os.environ | {"MLFLOW_TRACKING_URI": world.uri})
    files.note_served(CTR_MODEL, CHALLENGER, "12")
    await files.fetch(CTR_MODEL, "1")
    left = sorted(int(each.name) for each in home.iterdir() if each.name.isdecimal())
    assert left == [1, 11, 12, 13, 15, 16, 17, 18, 19]


async def test_a_registry_that_gives_no_files_refuses_no_version(
    world: World, tmp_path: Path
) -> None:
    with without_downloads(world.uri) as (uri, server):
        slot = a_slot(tmp_path, uri)
        await slot.start()
        assert slot.current is None
        assert slot.report.reloads == {"swapped": 0, "refused": 0, "failed": 1}
        assert slot.report.refused == {}
        server.downloads_fail = False  # type: ignore[attr-defined]
        await asyncio.sleep(FIRST_PAUSE_S)
        await slot.follow_once()
        assert slot.report.version == "1"
    assert world.client.get_model_version(CTR_MODEL, "1").tags["serving"] == "accepted"


async def test_a_replica_starts_without_mlflow_from_disk_and_from_redis(
    world: World, tmp_path: Path, redis_url: str
) -> None:
    blobs = RedisBlobs(redis_url)
    await a_slot(tmp_path / "old", world.uri, blobs=blobs).start()
    for place in ("old", "new"):
        slot = a_slot(tmp_path / place, "http://127.0.0.1:9", blobs=blobs, down=True)
        await slot.start()
        assert slot.report.version == "1", place
        assert not slot.report.registry_reachable


async def test_versions_beyond_the_first_page_are_there(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_registry, "_PAGE", 2)
    made = [add_version(world.client, "many", None) for _ in range(5)]
    async with MlflowRegistry(world.uri, timeout_s=20.0) as source:
        found = await source.versions("many")
    assert [each.version for each in found] == made[::-1]


@pytest.fixture
async def api(world: World, postgres_url: str, redis_url: str) -> Iterator[httpx.Client]:  # type: ignore[misc]
    async with open_keys(Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)) as keys:
        key = await keys.create("Ann", SCOPES, Author("test"))
    headers = {"authorization": f"Bearer {key.token}"}
    with (
        live_service(postgres_url, redis_url, world.uri) as url,
        httpx.Client(base_url=url, headers=headers, timeout=30) as client,
    ):
        yield client


def test_the_champion_is_moved_and_shown_over_http(world: World, api: httpx.Client) -> None:
    because = {"reason": "better on mobile"}
    assert api.post(f"{MODELS}/{CTR_MODEL}/promote", json={"version": "2"}).status_code == 422
    assert (
        api.post(f"{MODELS}/{CTR_MODEL}/promote", json={"version": "99"} | because).status_code
        == 404
    )
    assert api.post(f"{MODELS}/fraud/promote", json={"version": "2"} | because).status_code == 404
    assert (
        api.post(f"{MODELS}/{CTR_MODEL}/promote", json={"version": "1"} | because).status_code
        == 409
    )

    moved = api.post(f"{MODELS}/{CTR_MODEL}/promote", json={"version": "2"} | because).json()
    assert (moved["from_version"], moved["to_version"], moved["kind"]) == ("1", "2", "promote")
    assert moved["actor"].startswith("Ann (")
    assert world.client.get_model_version_by_alias(CTR_MODEL, CHAMPION).version == "2"

    model = next(m for m in api.get(MODELS).json()["models"] if m["name"] == CTR_MODEL)
    second = next(v for v in model["versions"] if v["version"] == "2")
    assert second["aliases"] == [CHAMPION]
    assert 0 < second["metrics"]["holdout_normalized_entropy"] < 1.5
    assert second["gate"] == {"verdict": "none", "reasons": []}
    assert model["history"][0]["reason"] == "better on mobile"

    back = api.post(f"{MODELS}/{CTR_MODEL}/rollback", json={"reason": "worse after all"}).json()
    assert (back["to_version"], back["kind"]) == ("1", "rollback")
    refused = api.post(f"{MODELS}/{CTR_MODEL}/rollback", json={"reason": "further"})
    assert refused.status_code == 409
    assert "nothing to go back to" in refused.json()["detail"]


def test_a_version_that_the_gate_failed_needs_force_over_http(
    world: World, api: httpx.Client
) -> None:
    world.client.set_model_version_tag(CTR_MODEL, "2", "gate", "failed")
    world.client.set_model_version_tag(CTR_MODEL, "2", "gate_reasons", '["entropy: worse"]')
    body = {"version": "2", "reason": "I know better"}
    refused = api.post(f"{MODELS}/{CTR_MODEL}/promote", json=body)
    assert refused.status_code == 409
    assert "entropy: worse" in refused.json()["detail"]
    assert api.post(f"{MODELS}/{CTR_MODEL}/promote", json=body | {"force": True}).status_code == 200
    world.client.delete_model_version_tag(CTR_MODEL, "2", "gate")


def test_the_reliability_curve_comes_from_the_run(world: World, api: httpx.Client) -> None:
    bins = api.get(f"{MODELS}/{CTR_MODEL}/versions/1/reliability").json()["bins"]
    assert len(bins) > 3
    assert all(0 <= each["predicted"] <= 1 and each["rows"] > 0 for each in bins)
    assert api.get(f"{MODELS}/{CTR_MODEL}/versions/99/reliability").status_code == 404
    without = add_version(world.client, CTR_MODEL, None)
    assert api.get(f"{MODELS}/{CTR_MODEL}/versions/{without}/reliability").status_code == 404
