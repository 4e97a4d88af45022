"""The first key of an installation: made once, kept for its owner only."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bidding.errors import AdBidError
from stores.audit import Author
from stores.key_types import SCOPES, IssuedKey
from stores.open_keys import open_keys
from stores.settings import Settings

NAME = "admin"


def admin_key_file(settings: Settings) -> Path:
    """Where `adbid up` leaves the admin key (mode 0600)."""
    return settings.home / "secrets" / "admin-key"


def ensure_admin_key(settings: Settings) -> str:
    """Where the admin key is, in words; never the key itself, since output may be a log.

    A key with every scope is made where the installation has no key at all; later starts
    leave it as it is, also when it was revoked.
    """
    file = admin_key_file(settings)
    try:
        with _one_at_a_time(file.parent):
            issued = asyncio.run(_first_key(settings))
            if issued is not None:
                _write_private(file, issued.token)
    except AdBidError as error:
        return f"none could be made: {error.detail}"
    return f"in {file}" if file.is_file() else "`adbid keys create NAME --scope ops` makes one"


@contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """`adbid up --detach` and the system it starts may both come here at once."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "admin-key.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


async def _first_key(settings: Settings) -> IssuedKey | None:
    async with open_keys(settings) as keys:
        if await keys.fetch_all():
            return None
        return await keys.create(NAME, SCOPES, Author("adbid up"))


def _write_private(file: Path, token: str) -> None:
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        os.fchmod(handle, 0o600)
        out.write(token + "\n")
