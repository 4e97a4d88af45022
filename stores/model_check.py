"""`python -m stores.model_check NAME VERSION TARGET [CURRENT]`: download a version and prove it.

Runs apart from the replica that asks: what crashes here crashes alone. Exit code 0: the files
are in TARGET. 3: refused, with the reason on the last line. 4: the registry is out of reach.
"""

import shutil
import sys
import tempfile
from pathlib import Path

import mlflow
from mlflow.exceptions import MlflowException, RestException
from requests.exceptions import RequestException

from bidding.errors import ModelRefused
from stores.feature_contract import load_contract
from stores.model_fetch import REFUSED_EXIT, UNAVAILABLE_EXIT
from stores.model_files import BOOSTER, FILES, load
from stores.model_trees import check_trees
from stores.settings import load_settings

SLOWEST_RATIO = 5.0
SLOW_ENOUGH_TO_MATTER_MS = 0.5


def main(arguments: list[str]) -> int:
    """Check one version; see the module's docstring."""
    name, version, target, *rest = arguments
    mlflow.set_tracking_uri(load_settings().mlflow_tracking_uri)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=Path(target).parent) as scratch:
        try:
            found = download(name, version, Path(scratch))
            prove(found, name, version, Path(rest[0]) if rest else None)
        except ModelRefused as refusal:
            print(refusal.detail)
            return REFUSED_EXIT
        except (RequestException, ConnectionError) as error:
            print(f"{type(error).__name__}: {error}")
            return UNAVAILABLE_EXIT
        place(found, Path(target))
    return 0


def download(name: str, version: str, scratch: Path) -> Path:
    """The version's files. Raises `ModelRefused` when the registry has none."""
    try:
        path = mlflow.artifacts.download_artifacts(
            f"models:/{name}/{version}", dst_path=str(scratch)
        )
    except (MlflowException, RestException, OSError) as error:
        if "Max retries" in str(error) or "Connection" in str(error):
            raise ConnectionError(str(error)[:300]) from error
        raise ModelRefused(f"the artifact can't be had: {str(error)[:300]}") from error
    found = next((p.parent for p in Path(path).rglob(FILES[0])), None)
    if found is None:
        raise ModelRefused(f"the artifact holds no {FILES[0]}")
    return found


def prove(directory: Path, name: str, version: str, current: Path | None) -> None:
    """Load, contract, golden rows, and speed against the model that serves now."""
    check_trees(directory / BOOSTER)
    model = load(directory, name=name, version=version)
    model.check_contract(load_contract().hash)
    took_ms = model.warm_up()
    if current is None or took_ms < SLOW_ENOUGH_TO_MATTER_MS:
        return
    before_ms = load(current, name=name, version="current").warm_up()
    if took_ms > SLOWEST_RATIO * before_ms:
        raise ModelRefused(
            f"100 rows take {took_ms:.1f} ms, {took_ms / before_ms:.0f} times the current model"
        )


def place(found: Path, target: Path) -> None:
    """Move the files we know into `target`, all at once."""
    ready = target.with_name(f".{target.name}.ready")
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir(parents=True)
    for file in FILES:
        shutil.copy2(found / file, ready / file)
    shutil.rmtree(target, ignore_errors=True)
    ready.rename(target)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
