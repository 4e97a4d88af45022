"""Canned bundles through the live graph, scored by a candidate beside the champion."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx

from bidding.errors import StoreUnavailable
from stores.settings import Settings
from training.gate import DryRun, reordered

PATH = "/api/training/dry-run"
TIMEOUT_S = 120.0
# What a proxy or a full service says for a moment: nothing of the candidate.
_AWAY = frozenset({429, 502, 503, 504})


@dataclass(frozen=True, slots=True)
class Service:
    """A running service and a key with the scope `ml`."""

    url: str
    key: str

    def __repr__(self) -> str:
        return f"Service({self.url!r})"


def service_of(settings: Settings) -> Service | None:
    """The service of this installation; None where no key is at hand, which fails the gate.

    `ADBID_URL` and `ADBID_KEY` name another; the embedded system's own key is in its home.
    """
    url = os.environ.get("ADBID_URL", f"http://127.0.0.1:{settings.port}")
    key = os.environ.get("ADBID_KEY", "")
    kept = settings.home / "secrets" / "admin-key"
    if not key and kept.is_file():
        key = kept.read_text(encoding="utf-8").strip()
    return Service(url, key) if key else None


@dataclass(frozen=True, slots=True)
class Patience:
    """A service that is away is asked again for `for_s`, every `pause_s`."""

    for_s: float
    pause_s: float = 10.0
    clock: Callable[[], float] = time.monotonic
    sleep: Callable[[float], None] = time.sleep


def run(service: Service, name: str, version: str, patience: Patience) -> DryRun:
    """Raises `StoreUnavailable` where the service is still away after that."""
    until = patience.clock() + patience.for_s
    while True:
        try:
            return _ask(service, name, version)
        except StoreUnavailable:
            if patience.clock() + patience.pause_s > until:
                raise
        patience.sleep(patience.pause_s)


def _ask(service: Service, name: str, version: str) -> DryRun:
    try:
        response = httpx.post(
            service.url + PATH,
            json={"model": name, "version": version},
            headers={"Authorization": f"Bearer {service.key}"},
            timeout=TIMEOUT_S,
        )
    except httpx.HTTPError as error:
        raise StoreUnavailable(f"the service does not answer: {type(error).__name__}") from error
    if response.status_code in _AWAY:
        said = f"{response.status_code}: {_detail(response)}"
        raise StoreUnavailable(f"the service can't do the dry run now: {said}")
    if response.status_code != 200:
        return DryRun(0, (f"{response.status_code}: {_detail(response)}",), 0.0)
    return _read(response.json())


def _read(found: dict[str, Any]) -> DryRun:
    distances = [
        reordered(bundle["before"], bundle["after"])
        for bundle in found["bundles"]
        if bundle["error"] is None
    ]
    errors = tuple(
        f"{bundle['name']}: {bundle['error']}" for bundle in found["bundles"] if bundle["error"]
    )
    mean = sum(distances) / len(distances) if distances else 0.0
    return DryRun(len(found["bundles"]), errors, mean)


def _detail(response: httpx.Response) -> str:
    try:
        return str(response.json().get("detail", ""))[:300]
    except json.JSONDecodeError:
        return ""
