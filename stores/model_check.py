"""Prove a model apart from the replica that asks: what crashes here crashes alone.

`python -m stores.model_check version NAME VERSION TARGET SCRATCH [CURRENT]` downloads a version;
`python -m stores.model_check blob NAME FILE TARGET SCRATCH` unpacks one, and prints which it is.
SCRATCH is a folder that whoever asks removes, as this process may be killed.

Exit code 0: the files are in TARGET. 3: refused, with the reason on the last line. 4: it can't be
told now (the registry is out of reach, the disk is full), with the reason on the last line.
"""

import errno
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path, PurePosixPath
from statistics import median
from typing import TYPE_CHECKING

from bidding.batch import ScoreBatch
from bidding.contract import FeatureContract
from bidding.errors import ModelRefused, StoreUnavailable
from stores.feature_contract import load_contract
from stores.model_blob import unpack
from stores.model_files import BOOSTER, FILES, LARGEST_FILE, ServingModel, load, random_batch
from stores.model_place import REFUSED_EXIT, UNAVAILABLE_EXIT, place
from stores.model_trees import check_trees
from stores.settings import load_settings

if TYPE_CHECKING:
    from mlflow.entities import FileInfo
    from mlflow.store.artifact.artifact_repo import ArtifactRepository

CPU_S = 60
ADDRESS_BYTES = 8 * 2**30  # most of which is never touched
SLOWEST_RATIO = 5.0
SLOW_ENOUGH_TO_MATTER_MS = 2.0
MOST_FOLDERS = 100
_SPEED_ROUNDS = 15
# A gathered call of a busy replica: of few rows, the price of a call hides that of the trees.
_SPEED_ROWS = 1_000
# What MLflow says of a version that can never be had, however often one asks.
_HOPELESS = frozenset({"RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"})
# What it makes of a download that reached the limit of `_confine`.
_TOO_LARGE = os.strerror(errno.EFBIG)


def main(arguments: list[str]) -> int:
    """Check one version; see the module's docstring."""
    _confine()
    try:
        print(_check(*arguments))
    except ModelRefused as refusal:
        print(refusal.detail)
        return REFUSED_EXIT
    except (StoreUnavailable, OSError) as error:
        print(f"{type(error).__name__}: {error}")
        grew = isinstance(error, OSError) and error.errno == errno.EFBIG
        return REFUSED_EXIT if grew else UNAVAILABLE_EXIT
    return 0


def _confine() -> None:
    """The lowest priority, and neither memory, disk nor time without end.

    Here, not between fork and exec: a replica may map more than the limit already, and would crash
    there.
    """
    os.nice(19)
    # At the hard limit comes a SIGKILL, as from outside; a model that loops is to end before it.
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S + 5))
    for what, most in (
        (resource.RLIMIT_AS, ADDRESS_BYTES),
        (resource.RLIMIT_FSIZE, LARGEST_FILE),
    ):
        with suppress(ValueError, OSError):  # not on every system
            resource.setrlimit(what, (most, most))


def _check(kind: str, name: str, subject: str, target: str, scratch: str, *rest: str) -> str:
    """The version that was found good and put into `target`."""
    current = Path(rest[0]) if rest else None
    if kind == "blob":
        found, version = Path(scratch), unpack(Path(subject).read_bytes(), Path(scratch))
    else:
        found, version = download(name, subject, Path(scratch)), subject
    prove(found, name, version, current)
    place(found, Path(target))
    return version


def download(name: str, version: str, scratch: Path) -> Path:
    """The version's files. Raises `ModelRefused` where the registry has none or too large ones,
    `StoreUnavailable` where it does not give what it has."""
    os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "2")
    import mlflow
    from mlflow.exceptions import MlflowException
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    mlflow.set_tracking_uri(load_settings().mlflow_tracking_uri)
    try:
        repository = get_artifact_repository(f"models:/{name}/{version}")
        wanted = _wanted(list(_listed(repository)))
        for path in wanted:
            repository.download_artifacts(path, str(scratch))
    except MlflowException as error:
        if error.error_code in _HOPELESS or _TOO_LARGE in str(error):
            raise ModelRefused(f"the artifact can't be had: {str(error)[:300]}") from error
        raise StoreUnavailable(f"the artifact can't be had now: {str(error)[:300]}") from error
    return (scratch / wanted[0]).parent


def _listed(repository: "ArtifactRepository") -> Iterator["FileInfo"]:
    """Every file of a version, those at its root first."""
    folders: list[str | None] = [None]
    for folder in folders:
        for found in repository.list_artifacts(folder):
            if not found.is_dir:
                yield found
            elif len(folders) < MOST_FOLDERS:
                folders.append(found.path)


def _wanted(files: "list[FileInfo]") -> list[str]:
    """The paths of a model's files, whatever else lies there. Raises `ModelRefused`."""
    if not files:
        raise ModelRefused("the artifact can't be had: the registry lists no file of it")
    sizes = {PurePosixPath(file.path): file.file_size or 0 for file in files}
    home = next((path.parent for path in sizes if path.name == BOOSTER), None)
    if home is None:
        raise ModelRefused(f"the artifact holds no {BOOSTER}")
    wanted = [home / file for file in FILES if home / file in sizes]
    if sum(sizes[path] for path in wanted) > LARGEST_FILE:
        raise ModelRefused(f"the artifact is larger than {LARGEST_FILE} bytes")
    return [str(path) for path in wanted]


def prove(directory: Path, name: str, version: str, current: Path | None) -> None:
    """Load, contract, golden rows, and speed against the model that serves now."""
    check_trees(directory / BOOSTER)
    model, contract = load(directory, name=name, version=version), load_contract()
    model.check_contract(contract.hash)
    check_layout(model, contract)
    model.check_name()
    model.warm_up()
    if current is not None:
        check_speed(model, load(current, name=name, version="current"))


def check_layout(model: ServingModel, contract: FeatureContract) -> None:
    """Raises `ModelRefused` for an encoder that would read one raw column as another."""
    encoder = model.encoder
    if (encoder.shared, encoder.per_bid) != (contract.shared, contract.per_bid):
        raise ModelRefused("its encoder takes other columns than the feature contract lays out")


def check_speed(model: ServingModel, current: ServingModel) -> None:
    """Raises `ModelRefused` for a model that is several times slower than the current one.

    In turns, and in CPU time of this thread: a busy machine slows both, and neither's clock runs
    while another process has the core.
    """
    sides = [(each, random_batch(each.encoder, _SPEED_ROWS)) for each in (model, current)]
    for side in sides:
        _cpu_ms(*side)
    rounds = [[_cpu_ms(*side) for side in sides] for _ in range(_SPEED_ROUNDS)]
    took_ms, before_ms = (median(column) for column in zip(*rounds, strict=True))
    if took_ms >= SLOW_ENOUGH_TO_MATTER_MS and took_ms > SLOWEST_RATIO * before_ms:
        raise ModelRefused(
            f"{_SPEED_ROWS:,} rows take {took_ms:.1f} ms, "
            f"{took_ms / before_ms:.0f} times the current model"
        )


def _cpu_ms(model: ServingModel, batch: ScoreBatch) -> float:
    started = time.thread_time()
    model.predict(batch, batch.ctr)
    return (time.thread_time() - started) * 1000.0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
