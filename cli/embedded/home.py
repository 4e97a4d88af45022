"""Where one embedded system keeps its files, and the mark its processes carry."""

import os
import stat
from dataclasses import dataclass
from pathlib import Path

from cli.embedded.errors import EmbeddedError
from stores.settings import home_id, sockets_of

MARK = "ADBID_HOME_ID"


@dataclass(frozen=True, slots=True)
class Home:
    """The state of one system below `root` (`var/`, or ADBID_HOME)."""

    root: Path

    @property
    def id(self) -> str:
        return home_id(self.root)

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def logs(self) -> Path:
        return self.root / "log"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def state_file(self) -> Path:
        return self.run / "state.json"

    @property
    def lock_file(self) -> Path:
        return self.run / "up.lock"

    @property
    def env_file(self) -> Path:
        return self.run / "env.json"

    @property
    def sockets(self) -> Path:
        return sockets_of(self.root)

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the folders; those with secrets are for their owner only."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        private = (self.run, self.secrets, self.sockets)
        for folder in private:
            folder.mkdir(mode=0o700, exist_ok=True)
        _check_own(self.sockets)
        for folder in private:
            folder.chmod(0o700)


def _check_own(folder: Path) -> None:
    """In /tmp anybody may have made it before us, and its owner may put other sockets there."""
    found = folder.lstat()
    if found.st_uid != os.geteuid() or not stat.S_ISDIR(found.st_mode):
        raise EmbeddedError(
            f"{folder} is not a folder of user {os.geteuid()}, who starts the system: remove it, or"
            " set ADBID_HOME to a folder of that user's"
        )
