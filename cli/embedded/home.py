"""Where one embedded system keeps its files, and the mark its processes carry."""

from dataclasses import dataclass
from pathlib import Path

from stores.settings import home_id

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
        """Ray's, HAProxy's and the lines' folder, as `Settings.sockets` has it: short, since a
        unix socket's path holds 107 bytes."""
        return Path("/tmp") / f"adbid-{self.id}"  # noqa: S108 - made with mode 0700

    def log(self, part: str) -> Path:
        return self.logs / f"{part}.log"

    def create(self) -> None:
        """Make the folders; those with secrets are for their owner only."""
        self.root.mkdir(parents=True, exist_ok=True)
        self.logs.mkdir(exist_ok=True)
        for private in (self.run, self.secrets, self.sockets):
            private.mkdir(mode=0o700, exist_ok=True)
            private.chmod(0o700)
