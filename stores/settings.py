"""Where everything is: one `Settings` value, built at the shell and passed down.

Each value comes from the first place that has it:
environment variable > var/run/env.json (the running embedded system)
> configs/settings.<ADBID_ENV>.yaml > configs/settings.yaml > the default below.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AliasChoices, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from bidding.errors import FieldProblem, InvalidRequest

PROJECT_ROOT = Path(__file__).resolve().parents[1]

Environment = Literal["local", "test", "production"]


def _named(name: str) -> AliasChoices:
    """The variable's usual name, without our prefix, and the same word in lower case."""
    return AliasChoices(name, name.lower())


class Settings(BaseSettings):
    """Everything that differs between one installation and another.

    A store that is None is not configured: `adbid up` then starts its own.
    """

    model_config = SettingsConfigDict(
        env_prefix="ADBID_", env_ignore_empty=True, extra="forbid", frozen=True
    )

    env: Environment = "local"
    home: Path = PROJECT_ROOT / "var"
    host: str = "127.0.0.1"
    port: int = Field(default=8000, ge=1024, le=65_000)
    artifact_root: Path = PROJECT_ROOT / "mlruns"
    serve_config: Path = PROJECT_ROOT / "serve_config.yaml"

    database_url: str | None = Field(
        default=None, repr=False, validation_alias=_named("DATABASE_URL")
    )
    mlflow_database_url: str | None = Field(default=None, repr=False)
    redis_url: str | None = Field(default=None, repr=False, validation_alias=_named("REDIS_URL"))
    mlflow_tracking_uri: str | None = Field(
        default=None, validation_alias=_named("MLFLOW_TRACKING_URI")
    )
    ray_address: str | None = Field(default=None, validation_alias=_named("RAY_ADDRESS"))
    ray_dashboard_url: str | None = None

    # Where each HAProxy of this host tells how many bundles it refused, blanks between them.
    doors: str = ""

    model_poll_s: float = Field(default=2.0, gt=0, le=60)
    # Of several machines with Rays of their own on the same stores, one retrains.
    scheduler: bool = True

    @property
    def model_cache(self) -> Path:
        """Checked model files, apart for each registry: version numbers start anew in each."""
        registry = hashlib.sha256((self.mlflow_tracking_uri or "").encode()).hexdigest()[:12]
        return self.home / "models" / registry

    @property
    def sockets(self) -> Path:
        """See `sockets_of`."""
        return sockets_of(self.home)

    @property
    def last_known(self) -> Path:
        """Where an ingress keeps what it would answer from without any store."""
        return self.home / "last_known.json"

    @field_validator("home", "artifact_root", "serve_config")
    @classmethod
    def _absolute(cls, path: Path) -> Path:
        return path.expanduser().resolve()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment variables win over what the files said (given as arguments)."""
        return env_settings, init_settings


def home_id(home: Path) -> str:
    """Eight hex digits that tell this home's processes and sockets from another's."""
    return _short(str(home))


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def sockets_of(home: Path) -> Path:
    """Ray's, HAProxy's and the lines' folder. Its name may not be longer: with a node's id below it
    the path of HAProxy's socket has 95 of the 97 bytes that HAProxy takes.

    Each user has one of their own: a home may have been root's before it was theirs.
    """
    user = os.geteuid()
    name = home_id(home) if user == 0 else _short(f"{home} of {user}")
    return Path("/tmp") / f"adbid-{name}"  # noqa: S108 - made with mode 0700


def load_settings(
    *,
    running_system: bool = True,
    overrides: Mapping[str, Any] | None = None,
    configs: Path = PROJECT_ROOT / "configs",
) -> Settings:
    """Read the settings of this process.

    `running_system=False` leaves out what the running embedded system wrote, so that
    `adbid up` can tell a store that was given from one that it started itself. `overrides`
    (a command's checked options; None is no choice) win over everything. `configs` is the
    folder of the YAML files. Raises `InvalidRequest` naming each wrong field.
    """
    values = _yaml(configs / "settings.yaml")
    name = os.environ.get("ADBID_ENV") or values.get("env", "local")
    values |= _yaml(configs / f"settings.{name}.yaml")
    if home := os.environ.get("ADBID_HOME"):
        values["artifact_root"] = Path(home) / "mlruns"
    if running_system:
        values |= _json(Path(home or values.get("home", PROJECT_ROOT / "var")) / "run/env.json")
    try:
        settings = Settings(**{_given_name(key): value for key, value in values.items()})
    except ValidationError as error:
        raise InvalidRequest("a setting is wrong", problems=_problems(error)) from error
    chosen = {key: value for key, value in (overrides or {}).items() if value is not None}
    return settings.model_copy(update=chosen)


def _problems(error: ValidationError) -> tuple[FieldProblem, ...]:
    return tuple(
        FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
    )


def _given_name(key: str) -> str:
    """The one name under which pydantic looks first, so that no value is given twice."""
    field = Settings.model_fields.get(key.lower())
    alias = field.validation_alias if field else None
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else key


def _yaml(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    return dict(yaml.safe_load(path.read_text(encoding="utf-8")) or {})


def _json(path: Path) -> dict[str, Any]:
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
