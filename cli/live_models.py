"""What only the running service knows of its models: how its replicas' challengers differ."""

from pathlib import Path
from typing import Any

import httpx

from bidding.errors import Conflict, StoreUnavailable
from cli.admin_key import admin_key_file
from stores.settings import Settings

PATIENCE_S = 20.0


def service_url(settings: Settings) -> str:
    """Where the service of this installation answers."""
    return f"http://{settings.host}:{settings.port}"


def find_key(given: str | None, settings: Settings) -> str | None:
    """The key that was given, else the one that `adbid up` left for its owner."""
    return given or _read(admin_key_file(settings))


def fetch_disagreement(
    url: str, key: str | None, name: str, champion: str, challenger: str
) -> dict[str, Any] | None:
    """`disagreement` of `GET /api/models`; None before a bundle was scored by both.

    Raises `StoreUnavailable` where the service does not answer, and `Conflict` where it won't, or
    knows other versions by now.
    """
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        answer = httpx.get(
            f"{url.rstrip('/')}/api/models", headers=headers, timeout=PATIENCE_S, trust_env=False
        )
        found = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise StoreUnavailable(f"{url} does not answer ({type(error).__name__})") from error
    if answer.status_code in (401, 403):
        raise Conflict("it needs a key with the scope view: --key, or ADBID_KEY")
    if answer.status_code != httpx.codes.OK:
        raise StoreUnavailable(f"{url} answers {answer.status_code}")
    live = next(each["live"] for each in found["models"] if each["name"] == name)
    disagreement: dict[str, Any] | None = live["disagreement"]
    if disagreement is None:
        return None
    if (disagreement["champion"], disagreement["challenger"]) != (champion, challenger):
        raise Conflict("the aliases moved meanwhile; ask again")
    return disagreement


def _read(file: Path) -> str | None:
    try:
        return file.read_text(encoding="utf-8").strip() or None
    except OSError:  # there is none, or it is not ours
        return None
