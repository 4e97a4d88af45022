"""The image's entry point: `serve`, `mlflow`, `retrain`, `migrate` or `health`.

A secret may come from a file: `DATABASE_URL_FILE=/run/secrets/database_url` sets `DATABASE_URL`.
"""

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from bidding.errors import AdBidError
from cli.embedded import probe
from cli.embedded.errors import EmbeddedError

_SECRETS = (
    "DATABASE_URL",
    "REDIS_URL",
    "ADBID_MLFLOW_DATABASE_URL",
    "MLFLOW_TRACKING_USERNAME",
    "MLFLOW_TRACKING_PASSWORD",
)
_EVERYWHERE = "0.0.0.0"  # noqa: S104 - a container's own network
_MLFLOW_PORT = "5000"
_HEALTH_TIMEOUT_S = 4.0

Command = tuple[list[str], dict[str, str]]


def with_secrets(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment with every `NAME_FILE` read into `NAME`. Raises `EmbeddedError`."""
    found = dict(environment)
    for name in _SECRETS:
        if place := found.pop(f"{name}_FILE", ""):
            try:
                found[name] = Path(place).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise EmbeddedError(f"{name}_FILE={place} cannot be read: {error}") from error
    return found


def serve(arguments: Sequence[str], environment: dict[str, str]) -> Command:
    """Ray and the application; the stores are given."""
    _expect(environment, "DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI")
    return ["adbid", "up", "--host", _EVERYWHERE, *arguments], environment


def mlflow(arguments: Sequence[str], environment: dict[str, str]) -> Command:
    """The tracking server, in ADBID_MLFLOW_DATABASE_URL or one beside ours, which is made."""
    from cli.embedded import mlflow_server  # not for `health`, which must be quick
    from cli.embedded.plan import sibling_database
    from stores.database_url import sqlalchemy_url

    database = environment.get("ADBID_MLFLOW_DATABASE_URL")
    if not database:
        _expect(environment, "DATABASE_URL")
        database = sibling_database(environment["DATABASE_URL"], "mlflow")
        mlflow_server.ensure_database(database)
    artifacts = Path(environment.get("ADBID_HOME", "/var/lib/adbid")) / "mlruns"
    own = {
        "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(database),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    place = ["--host", _EVERYWHERE, "--port", _MLFLOW_PORT, "--workers", "1"]
    kept = environment.get("MLFLOW_ARTIFACTS_DESTINATION") or artifacts.as_uri()
    command = [sys.executable, "-m", "cli.embedded.mlflow_process", "server", *place, *arguments]
    return command, environment | own | {"MLFLOW_ARTIFACTS_DESTINATION": kept}


def migrate(arguments: Sequence[str], environment: dict[str, str]) -> Command:
    """Migrations, partitions and seeds, then exit."""
    _expect(environment, "DATABASE_URL")
    return [sys.executable, "-m", "cli.embedded.prepare_database", *arguments], environment


def retrain(arguments: Sequence[str], environment: dict[str, str]) -> Command:
    """Tonight's training run, unless it was made already; then exit."""
    _expect(environment, "DATABASE_URL", "MLFLOW_TRACKING_URI")
    return ["adbid", "retrain", *arguments], environment


def health() -> None:
    """Raise `NotReady` unless ADBID_HEALTH_URL answers."""
    probe.expect_ok(os.environ["ADBID_HEALTH_URL"], timeout_s=_HEALTH_TIMEOUT_S)


ROLES: dict[str, Callable[[Sequence[str], dict[str, str]], Command]] = {
    "serve": serve,
    "mlflow": mlflow,
    "migrate": migrate,
    "retrain": retrain,
}


def _expect(environment: Mapping[str, str], *names: str) -> None:
    missing = [name for name in names if not environment.get(name)]
    if missing:
        raise EmbeddedError(f"set {', '.join(missing)}, or {missing[0]}_FILE to a file's path")


def main(arguments: Sequence[str]) -> None:
    """Become the role that the first argument names; anything else is run as it is."""
    role, *rest = arguments or ["serve"]
    try:
        if role == "health":
            health()
            return
        environment = with_secrets(os.environ)
        become = ROLES.get(role)
        command, environment = become(rest, environment) if become else ([role, *rest], environment)
    except AdBidError as error:
        print(f"{error.title}: {error.detail}", file=sys.stderr)
        raise SystemExit(1) from error
    os.execvpe(command[0], command, environment)  # noqa: S606 - the container's process


if __name__ == "__main__":
    main(sys.argv[1:])
