"""Promote a model version, or roll back, with nothing but the MLflow client.

    python examples/promote.py                      # what is there
    python examples/promote.py --version 3          # version 3 becomes the champion
    python examples/promote.py --version 3 --alias challenger

Moving the alias is all there is to it: live replicas follow it within seconds and keep the old
model if the new one fails their checks. The tracking server is MLFLOW_TRACKING_URI.
"""

import argparse
import os

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def champion_of(client: MlflowClient, name: str, alias: str) -> str | None:
    """The version an alias points at. A search would not tell: it returns no aliases."""
    try:
        return str(client.get_model_version_by_alias(name, alias).version)
    except MlflowException as error:
        if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE"):
            return None
        raise


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--tracking-uri", default=os.environ.get("MLFLOW_TRACKING_URI"))
    options.add_argument("--model", default="adbid-ctr")
    options.add_argument("--alias", default="champion")
    options.add_argument("--version", help="the version to move the alias to")
    asked = options.parse_args()
    client = MlflowClient(asked.tracking_uri or "http://127.0.0.1:8010")
    before = champion_of(client, asked.model, asked.alias)
    for version in client.search_model_versions(f"name = '{asked.model}'"):
        mark = f"  <- {asked.alias}" if version.version == before else ""
        print(f"{version.name} {version.version}{mark}")
    if asked.version:
        client.set_registered_model_alias(asked.model, asked.alias, asked.version)
        print(f"{asked.alias}: {before or 'none'} -> {asked.version}")


if __name__ == "__main__":
    main()
