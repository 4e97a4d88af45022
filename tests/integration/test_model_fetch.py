"""Model files on disk and in Redis: proven in another process, whatever they hold."""

import gzip
import io
import os
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bidding.batch import ScoreBatch
from bidding.errors import ModelRefused, StoreUnavailable
from deployments.model_slot import ModelSlot
from stores import model_blob, model_fetch
from stores.feature_contract import load_contract
from stores.model_blob import pack, unpack
from stores.model_check import check_speed
from stores.model_fetch import ModelFiles, blob_key
from stores.model_files import BOOSTER, FILES, GOLDEN, LARGEST_FILE, load, save
from stores.model_place import place, read_verdict, write_verdict
from stores.model_registry import CTR_MODEL, CVR_MODEL, MemoryRegistry
from stores.redis_blobs import MemoryBlobs
from tests.mlflow_server import bad_files
from tests.small_model import small_model

NOWHERE = {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
KEY = blob_key(CTR_MODEL)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    small_model(folder)
    return folder / "good"


def files_at(root: Path, blobs: MemoryBlobs | None = None) -> ModelFiles:
    return ModelFiles(root, blobs, os.environ | NOWHERE)


def a_slot(root: Path, blobs: MemoryBlobs) -> ModelSlot:
    """A replica's slot that starts with MLflow down."""
    registry = MemoryRegistry()
    registry.down = True
    contract = load_contract().hash
    return ModelSlot(CTR_MODEL, registry, files_at(root, blobs), contract_hash=contract)


def archive(content: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, data in content.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def blob_of(good: Path, version: str = "3", **changes: bytes) -> bytes:
    content = {file: (good / file).read_bytes() for file in FILES} | changes
    return archive({f"{version}/{name}": data for name, data in content.items()})


async def test_a_replica_starts_from_redis_once_the_blob_is_proven(
    good: Path, tmp_path: Path
) -> None:
    blobs = MemoryBlobs()
    blobs.kept[KEY] = pack(good, "3")
    slot = a_slot(tmp_path, blobs)
    await slot.start()
    assert slot.report.version == "3"
    assert read_verdict(tmp_path / CTR_MODEL / "3") is not None
    assert {p.name for p in (tmp_path / CTR_MODEL / "3").iterdir()} == {*FILES, "verdict.json"}


@pytest.mark.parametrize(
    "kind",
    ["noise", "empty", "cut", "bomb", "link", "outside", "two", "booster", "no file", "large"],
)
async def test_a_bad_blob_never_fails_a_start(good: Path, tmp_path: Path, kind: str) -> None:
    whole = blob_of(good)
    booster = (good / BOOSTER).read_bytes()
    link = io.BytesIO()
    with tarfile.open(fileobj=link, mode="w:gz") as tar:
        for file in FILES:
            member = tarfile.TarInfo(f"3/{file}")
            member.type, member.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(member)
    blobs = MemoryBlobs()
    blobs.kept[KEY] = {
        "noise": os.urandom(5_000),
        "empty": b"",
        "cut": whole[: len(whole) // 2],
        "bomb": gzip.compress(bytes(model_blob.LARGEST_INFLATED + 1_000)),
        "link": link.getvalue(),
        "outside": archive({"../../x/model.ubj": b"x"}),
        "two": archive({"1/a": b"", "2/a": b""}),
        "booster": blob_of(good, **{BOOSTER: booster[:200] + os.urandom(3_000)}),
        "no file": archive({"3/model.json": b"{}"}),
        "large": blob_of(good, **{BOOSTER: bytes(LARGEST_FILE + 1)}),
    }[kind]
    slot = a_slot(tmp_path, blobs)
    await slot.start()
    assert slot.current is None
    assert slot.report.refused["last good"]
    assert not list((tmp_path / CTR_MODEL).glob("[0-9]*"))


async def test_what_changed_on_disk_since_it_passed_is_not_served(
    good: Path, tmp_path: Path
) -> None:
    target = tmp_path / CTR_MODEL / "3"
    target.parent.mkdir()
    place(good, target)
    write_verdict(target, None)
    files = files_at(tmp_path)
    await files.keep_as_last_good(CTR_MODEL, "3")
    assert await files.last_good(CTR_MODEL) == ("3", target)
    whole = (target / BOOSTER).read_bytes()
    (target / BOOSTER).write_bytes(whole[:-1] + b"!")
    assert await files.last_good(CTR_MODEL) is None
    (target / BOOSTER).write_bytes(whole)
    (target / "verdict.json").write_text('{"refu')  # a disk that filled up
    assert await files.last_good(CTR_MODEL) is None


async def test_what_redis_lost_is_put_back(good: Path, tmp_path: Path) -> None:
    blobs = MemoryBlobs()
    files = files_at(tmp_path, blobs)
    (tmp_path / CTR_MODEL).mkdir()
    place(good, tmp_path / CTR_MODEL / "3")
    await files.keep_as_last_good(CTR_MODEL, "3")
    blobs.kept.clear()
    await files.keep_as_last_good(CTR_MODEL, "3")
    assert unpack(blobs.kept[KEY], tmp_path) == "3"


async def test_what_an_earlier_release_let_pass_is_served_under_its_own_name_alone(
    good: Path, tmp_path: Path
) -> None:
    target = tmp_path / CTR_MODEL / "3"
    target.parent.mkdir()
    model = replace(load(good, name=CVR_MODEL, version="3"), rate="cvr")
    with np.load(good / GOLDEN) as arrays:
        golden = {name: arrays[name] for name in arrays.files if name != "expected"}
    save(target, model, ScoreBatch(**golden))
    write_verdict(target, None)
    await files_at(tmp_path).keep_as_last_good(CTR_MODEL, "3")
    slot = a_slot(tmp_path, MemoryBlobs())
    await slot.start()
    assert slot.current is None
    assert slot.report.refused["last good"] == "adbid-ctr 3 predicts cvr, not ctr"


@contextmanager
def a_check_that(
    tmp_path: Path, code: str, module: str = "sitecustomize"
) -> Iterator[dict[str, str]]:
    """An environment in which the check runs this code first, or in the place of a module."""
    (tmp_path / f"{module}.py").write_text(code)
    yield os.environ | NOWHERE | {"PYTHONPATH": str(tmp_path)}


@pytest.mark.parametrize(
    "code",
    [
        "import os; os.kill(os.getpid(), 9)",
        "raise OSError(28, 'No space left on device')",
        "import time; time.sleep(60)",
    ],
    ids=["killed", "disk full", "too long"],
)
async def test_a_check_that_did_not_end_refuses_no_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    monkeypatch.setattr(model_fetch, "CHECK_TIMEOUT_S", 8.0)
    with a_check_that(tmp_path, code, "mlflow") as environment:
        files = ModelFiles(tmp_path / "models", None, environment)
        with pytest.raises(StoreUnavailable):
            await files.fetch(CTR_MODEL, "1")
    assert read_verdict(tmp_path / "models" / CTR_MODEL / "1") is None


async def test_a_check_that_crashes_refuses_the_model(tmp_path: Path) -> None:
    with a_check_that(tmp_path, "import os; os.kill(os.getpid(), 11)") as environment:
        files = ModelFiles(tmp_path / "models", None, environment)
        with pytest.raises(ModelRefused, match="crashed"):
            await files.fetch(CTR_MODEL, "1")


async def test_a_check_that_is_killed_while_it_downloads_leaves_nothing(tmp_path: Path) -> None:
    home = tmp_path / "models" / CTR_MODEL
    home.mkdir(parents=True)
    for left, age_s in (("tmpold", 3_600), (".2.ready", 3_600), ("tmpnew", 60)):
        (home / left).mkdir()
        os.utime(home / left, (time.time() - age_s,) * 2)
    with a_check_that(tmp_path, "import os; os.kill(os.getpid(), 9)", "mlflow") as environment:
        files = ModelFiles(tmp_path / "models", None, environment)
        with pytest.raises(StoreUnavailable):
            await files.fetch(CTR_MODEL, "1")
    assert {each.name for each in home.iterdir()} == {".1.lock", "tmpnew"}


async def test_no_disk_and_no_registry_refuse_no_model(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for root in (tmp_path / "file", tmp_path / "models"):
        with pytest.raises(StoreUnavailable):
            await files_at(root).fetch(CTR_MODEL, "1")


def test_speed_is_judged_alike_on_a_busy_machine(tmp_path: Path) -> None:
    fitted = small_model(tmp_path, trees=40)
    bad = bad_files("ten times slower", fitted.serving, fitted.golden, tmp_path / "slow")
    assert bad is not None
    current, slow = (load(at, name=CTR_MODEL, version="1") for at in (tmp_path / "good", bad))
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(4)]
    try:
        for _ in range(5):
            check_speed(current, current)
            with pytest.raises(ModelRefused, match="times the current model"):
                check_speed(slow, current)
    finally:
        for process in busy:
            process.kill()
            process.wait()
