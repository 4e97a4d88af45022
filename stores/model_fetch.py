"""Model files on this machine: fetched from the registry, proven in another process, kept.

A version is downloaded and checked by `python -m stores.model_check` at the lowest priority:
MLflow's client is heavy, and a malicious file may crash the parser, which must not take a
replica down with it. What passed stays on disk; the last good champion also stays in Redis,
so a cold replica starts with MLflow down.
"""

import asyncio
import fcntl
import io
import json
import os
import resource
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from bidding.errors import ModelRefused, StoreUnavailable

CHECK_TIMEOUT_S = 90.0
CHECK_CPU_S = 60
CHECK_BYTES = 8 * 2**30  # address space, most of which is never touched
REFUSED_EXIT = 3
UNAVAILABLE_EXIT = 4
_VERDICT = "verdict.json"


class Blobs(Protocol):
    """A place for the last good model outside this machine (Redis)."""

    async def get(self, key: str) -> bytes | None: ...
    async def put(self, key: str, blob: bytes) -> None: ...


class ModelFiles:
    """Checked model directories below `root`, one per name and version."""

    def __init__(self, root: Path, blobs: Blobs | None, environment: dict[str, str]) -> None:
        self._root = root
        self._blobs = blobs
        self._environment = environment

    def path_of(self, name: str, version: str) -> Path:
        """Where a version lives once it has passed."""
        return self._root / name / version

    async def fetch(self, name: str, version: str) -> Path:
        """The directory of a version that passed every check.

        Raises `ModelRefused` with the reason, or `StoreUnavailable` when it can't be had now.
        """
        return await asyncio.to_thread(self._fetch, name, version)

    def _fetch(self, name: str, version: str) -> Path:
        target = self.path_of(name, version)
        target.parent.mkdir(parents=True, exist_ok=True)
        with _locked(target.parent / f".{version}.lock"):
            if not (target / _VERDICT).exists():
                self._check(name, version, target)
        return _passed(target)

    def _check(self, name: str, version: str, target: Path) -> None:
        current = self._pointer(name)
        command = [sys.executable, "-m", "stores.model_check", name, version, str(target)]
        if current is not None and current != version:
            command.append(str(self.path_of(name, current)))
        outcome = _run(command, self._environment)
        if outcome.code == UNAVAILABLE_EXIT:
            raise StoreUnavailable(f"{name} {version} can't be downloaded now: {outcome.said}")
        refused = None
        if outcome.code == REFUSED_EXIT:
            refused = outcome.said
        elif outcome.code != 0:
            refused = f"the check crashed with exit code {outcome.code}: {outcome.said}"
        target.mkdir(parents=True, exist_ok=True)
        (target / _VERDICT).write_text(json.dumps({"refused": refused}))

    def forget(self, name: str, version: str) -> None:
        """Check a refused version anew next time (its files may have been mended)."""
        with suppress(FileNotFoundError):
            (self.path_of(name, version) / _VERDICT).unlink()

    async def keep_as_last_good(self, name: str, version: str) -> None:
        """Remember a served version for cold starts without MLflow: on disk and in Redis."""
        pointer = self._root / name / "last_good"
        scratch = pointer.with_suffix(f".{os.getpid()}")
        scratch.write_text(version)
        scratch.replace(pointer)
        if self._blobs is not None:
            blob = await asyncio.to_thread(_pack, self.path_of(name, version), version)
            with suppress(StoreUnavailable):
                await self._blobs.put(_blob_key(name), blob)

    async def last_good(self, name: str) -> tuple[str, Path] | None:
        """The last served version: from disk, else from Redis, else `None`."""
        version = self._pointer(name)
        if version is not None and (self.path_of(name, version) / _VERDICT).exists():
            return version, _passed(self.path_of(name, version))
        if self._blobs is None:
            return None
        try:
            blob = await self._blobs.get(_blob_key(name))
        except StoreUnavailable:
            return None
        if blob is None:
            return None
        version = await asyncio.to_thread(_unpack, blob, self._root / name)
        return version, _passed(self.path_of(name, version))

    def _pointer(self, name: str) -> str | None:
        try:
            return (self._root / name / "last_good").read_text().strip() or None
        except FileNotFoundError:
            return None


@dataclass(frozen=True, slots=True)
class _Outcome:
    code: int
    said: str


def _run(command: list[str], environment: dict[str, str]) -> _Outcome:
    try:
        done = subprocess.run(
            command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
            preexec_fn=_confine,
        )
    except subprocess.TimeoutExpired:
        return _Outcome(REFUSED_EXIT, f"the check took more than {CHECK_TIMEOUT_S:.0f} s")
    lines = (done.stdout or done.stderr).strip().splitlines()
    return _Outcome(done.returncode, lines[-1][:1000] if lines else "")


def _confine() -> None:
    """In the child: the lowest priority, and neither memory nor time without end."""
    os.nice(19)
    resource.setrlimit(resource.RLIMIT_CPU, (CHECK_CPU_S, CHECK_CPU_S))
    with suppress(ValueError, OSError):  # not on every system
        resource.setrlimit(resource.RLIMIT_AS, (CHECK_BYTES, CHECK_BYTES))


def _passed(target: Path) -> Path:
    refused = json.loads((target / _VERDICT).read_text())["refused"]
    if refused is not None:
        raise ModelRefused(str(refused))
    return target


def _blob_key(name: str) -> str:
    return f"model:{name.removeprefix('adbid-')}:champion"


def _pack(directory: Path, version: str) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        archive.add(directory, arcname=version)
    return buffer.getvalue()


def _unpack(blob: bytes, parent: Path) -> str:
    parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(fileobj=io.BytesIO(blob), mode="r:gz") as archive:
        version = archive.getnames()[0].split("/")[0]
        archive.extractall(parent, filter="data")
    return version


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
