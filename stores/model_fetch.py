"""Model files on this machine: fetched from the registry, proven in another process, kept.

A version is downloaded and checked by `python -m stores.model_check` at the lowest priority:
MLflow's client is heavy, and a malicious file may crash the parser, which must not take a
replica down with it. What passed stays on disk; the last good champion also stays in Redis,
so a cold replica starts with MLflow down. What comes from Redis is proven just the same.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from bidding.errors import ModelRefused, StoreUnavailable
from stores.model_blob import pack
from stores.model_place import (
    REFUSED_EXIT,
    UNAVAILABLE_EXIT,
    Verdict,
    forget_verdict,
    locked,
    passed,
    place,
    prune,
    read_verdict,
    scratch_in,
    write_verdict,
)

CHECK_TIMEOUT_S = 90.0
Result = TypeVar("Result")


class Blobs(Protocol):
    """A place for the last good model outside this machine (Redis)."""

    async def get(self, key: str) -> bytes | None: ...
    async def put(self, key: str, blob: bytes) -> None: ...
    async def holds(self, key: str) -> bool: ...


class ModelFiles:
    """Checked model directories below `root`, one per name and version.

    Every method may raise `StoreUnavailable`: of the registry, of Redis, or of the disk.
    """

    def __init__(self, root: Path, blobs: Blobs | None, environment: dict[str, str]) -> None:
        self._root = root
        self._blobs = blobs
        self._environment = environment
        self._put: dict[str, str] = {}
        self._serving: dict[tuple[str, str], str] = {}

    def path_of(self, name: str, version: str) -> Path:
        """Where a version lives once it has passed."""
        return self._root / name / version

    async def fetch(self, name: str, version: str) -> Path:
        """The directory of a version that passed every check.

        Raises `ModelRefused` with the reason, or `StoreUnavailable` when it can't be had now.
        """
        return await _on_disk(lambda: self._fetch(name, version))

    def _fetch(self, name: str, version: str) -> Path:
        target = self.path_of(name, version)
        target.parent.mkdir(parents=True, exist_ok=True)
        with locked(target.parent / f".{version}.lock"):
            known = read_verdict(target)
            verdict = known or self._check(name, version, target)
            os.utime(target)  # nobody is to prune what is about to be loaded
        if known is None and verdict.refused is None:
            prune(target.parent, self._kept(name))
        return passed(target, verdict)

    def _kept(self, name: str) -> set[str]:
        served = {at for (model, _), at in self._serving.items() if model == name}
        return served | {self._pointer(name) or ""}

    def _check(self, name: str, version: str, target: Path) -> Verdict:
        current = self._pointer(name)
        beside: list[str] = []
        if current is not None and current != version and self._has_passed(name, current):
            beside.append(str(self.path_of(name, current)))
        with scratch_in(target.parent) as scratch:
            arguments = ["version", name, version, str(target), str(scratch), *beside]
            outcome = _run(arguments, self._environment)
        write_verdict(target, outcome.refused)
        return read_verdict(target) or Verdict("the files changed while they were checked")

    def forget(self, name: str, version: str) -> None:
        """Check a refused version anew next time (its files may have been mended)."""
        with suppress(OSError):
            forget_verdict(self.path_of(name, version))

    def note_served(self, name: str, alias: str, version: str) -> None:
        """Keep the files of what `alias` serves, however old they are."""
        self._serving[name, alias] = version

    async def keep_as_last_good(self, name: str, version: str) -> None:
        """Remember a served version for cold starts without MLflow: on disk and in Redis.

        Called again, it puts back what Redis has lost since.
        """
        if self._pointer(name) != version:
            await _on_disk(lambda: self._point(name, version))
        if self._blobs is None:
            return
        key = blob_key(name)
        if self._put.get(name) != version or not await self._blobs.holds(key):
            blob = await _on_disk(lambda: pack(self.path_of(name, version), version))
            await self._blobs.put(key, blob)
            self._put[name] = version

    def _point(self, name: str, version: str) -> None:
        pointer = self._root / name / "last_good"
        scratch = pointer.with_suffix(f".{os.getpid()}")
        scratch.write_text(version)
        scratch.replace(pointer)

    async def last_good(self, name: str) -> tuple[str, Path] | None:
        """The last served version: from disk, else from Redis, else `None`.

        Raises `ModelRefused` for a blob that does not pass.
        """
        version = self._pointer(name)
        if version is not None and await _on_disk(lambda: self._has_passed(name, version)):
            return version, self.path_of(name, version)
        blob = None if self._blobs is None else await self._blobs.get(blob_key(name))
        return None if blob is None else await _on_disk(lambda: self._restore(name, blob))

    def _restore(self, name: str, blob: bytes) -> tuple[str, Path]:
        home = self._root / name
        home.mkdir(parents=True, exist_ok=True)
        with scratch_in(home) as scratch:
            file, proven, unpacked = (scratch / each for each in ("blob", "proven", "unpacked"))
            file.write_bytes(blob)
            unpacked.mkdir()
            arguments = ["blob", name, str(file), str(proven), str(unpacked)]
            outcome = _run(arguments, self._environment)
            if outcome.refused is not None:
                raise ModelRefused(outcome.refused)
            version = outcome.said
            target = self.path_of(name, version)
            with locked(home / f".{version}.lock"):
                place(proven, target)
                write_verdict(target, None)
        return version, target

    def _has_passed(self, name: str, version: str) -> bool:
        verdict = read_verdict(self.path_of(name, version))
        return verdict is not None and verdict.refused is None

    def _pointer(self, name: str) -> str | None:
        try:
            return (self._root / name / "last_good").read_text().strip() or None
        except (OSError, UnicodeDecodeError):
            return None


def blob_key(name: str) -> str:
    """The last good model's key in Redis: `model:ctr:champion`."""
    return f"model:{name.removeprefix('adbid-')}:champion"


async def _on_disk(work: Callable[[], Result]) -> Result:
    """In a thread. Raises `StoreUnavailable` where the disk fails: no model is to blame for it."""
    try:
        return await asyncio.to_thread(work)
    except OSError as error:
        raise StoreUnavailable(f"the disk: {error}") from error


@dataclass(frozen=True, slots=True)
class _Outcome:
    """Why the files were refused, None where they passed; and the last line of the check."""

    refused: str | None
    said: str


# The end of a check that somebody stopped, or the machine for want of memory.
_STOPPED = frozenset({-signal.SIGKILL, -signal.SIGTERM, -signal.SIGINT, -signal.SIGHUP})


def _run(arguments: list[str], environment: dict[str, str]) -> _Outcome:
    """Raises `StoreUnavailable` where the check could not come to an end."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "stores.model_check", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            timeout=CHECK_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = f"the check took more than {CHECK_TIMEOUT_S:.0f} s"
        raise StoreUnavailable(said) from error
    except (OSError, subprocess.SubprocessError) as error:
        raise StoreUnavailable(f"the check could not start: {error}") from error
    lines = (done.stdout or done.stderr).strip().splitlines()
    said = lines[-1][:1000] if lines else ""
    if done.returncode == UNAVAILABLE_EXIT or done.returncode in _STOPPED:
        raise StoreUnavailable(said or f"the check ended early ({done.returncode})")
    if done.returncode == 0:
        return _Outcome(None, said)
    if done.returncode == REFUSED_EXIT:
        return _Outcome(said or "refused", said)
    return _Outcome(f"the check crashed with exit code {done.returncode}: {said}", said)
