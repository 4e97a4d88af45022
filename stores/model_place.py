"""Where proven model files lie on this machine, and what was found of them.

A verdict keeps the digest of the files it was given for: files that changed since (a disk that
was full, a machine that lost power) have no verdict.
"""

import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec

from bidding.errors import ModelRefused
from stores.model_files import FILES

REFUSED_EXIT = 3
UNAVAILABLE_EXIT = 4
_VERDICT = "verdict.json"
# No check or load lasts as long as this (`model_fetch.CHECK_TIMEOUT_S`): nobody works in a folder
# that was not touched since.
LEFT_AFTER_S = 600.0
NEWEST = 5


class Verdict(msgspec.Struct, frozen=True):
    """`refused` is the reason, None for files that passed; `digest` is theirs."""

    refused: str | None
    digest: str = ""


def read_verdict(target: Path) -> Verdict | None:
    """What was found of the files in `target`; None where nothing holds of them as they are."""
    try:
        verdict = msgspec.json.decode((target / _VERDICT).read_bytes(), type=Verdict)
        if verdict.refused is None and verdict.digest != digest_of(target):
            return None
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return verdict


def write_verdict(target: Path, refused: str | None) -> None:
    """Keep what was found, whole or not at all."""
    target.mkdir(parents=True, exist_ok=True)
    verdict = Verdict(refused, "" if refused is not None else digest_of(target))
    scratch = target / f".{_VERDICT}.{os.getpid()}"
    scratch.write_bytes(msgspec.json.encode(verdict))
    scratch.replace(target / _VERDICT)


def forget_verdict(target: Path) -> None:
    """The files are to be checked anew."""
    (target / _VERDICT).unlink(missing_ok=True)


def passed(target: Path, verdict: Verdict) -> Path:
    """The directory. Raises `ModelRefused` for one that did not pass."""
    if verdict.refused is not None:
        raise ModelRefused(verdict.refused)
    return target


def digest_of(directory: Path) -> str:
    """Of the names and bytes of the files we know."""
    found = hashlib.sha256()
    for file in FILES:
        with (directory / file).open("rb") as handle:
            found.update(file.encode())
            found.update(hashlib.file_digest(handle, "sha256").digest())
    return found.hexdigest()


def place(found: Path, target: Path) -> None:
    """Copy the files we know to `target`, all at once."""
    ready = target.with_name(f".{target.name}.ready")
    shutil.rmtree(ready, ignore_errors=True)
    ready.mkdir(parents=True)
    for file in FILES:
        shutil.copy2(found / file, ready / file)
    shutil.rmtree(target, ignore_errors=True)
    ready.rename(target)


@contextmanager
def scratch_in(home: Path) -> Iterator[Path]:
    """A folder for one check, made by the process that asks for it: the check may be killed.

    Removes what others left that were killed themselves.
    """
    for left in (*home.glob("tmp*"), *home.glob(".*.ready")):
        _remove_left(left)
    with tempfile.TemporaryDirectory(dir=home) as scratch:
        yield Path(scratch)


def prune(home: Path, kept: Collection[str]) -> None:
    """Removes versions but the newest ones, those `kept`, and those that were asked for just now.

    Call it without a version's lock: two that each held one would wait for each other.
    """
    versions = sorted((each.name for each in home.iterdir() if each.name.isdecimal()), key=int)
    for version in versions[:-NEWEST]:
        if version not in kept:
            with locked(home / f".{version}.lock"):
                _remove_left(home / version)


def _remove_left(folder: Path) -> None:
    with suppress(FileNotFoundError):  # another replica of this machine was faster
        if time.time() - folder.stat().st_mtime > LEFT_AFTER_S:
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """One process of this machine at a time."""
    with path.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
