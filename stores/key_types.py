"""API keys: what a token looks like, what may be said of it, who may do what."""

import hashlib
import re
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, Protocol, get_args

from pydantic import BaseModel, ConfigDict

from bidding.errors import FieldProblem, Forbidden, InvalidRequest, Unauthorized
from stores.audit import Author

Scope = Literal["score", "ops", "ml", "view"]
SCOPES: tuple[Scope, ...] = get_args(Scope)

# Who may write may also look.
_GRANTED_BY: dict[Scope, frozenset[Scope]] = {"view": frozenset({"view", "ops", "ml"})}
_TOKEN = re.compile(r"adb_([0-9a-f]{8})_[0-9a-f]{64}")
_LONGEST_NAME = 200


class KeyRecord(BaseModel):
    """A key without its secret. `prefix` is the readable part of the token."""

    model_config = ConfigDict(frozen=True)

    id: int
    name: str
    prefix: str
    scopes: tuple[Scope, ...]
    created_at: datetime
    revoked_at: datetime | None = None
    last_used_at: datetime | None = None

    def require(self, scope: Scope) -> None:
        """Raises `Forbidden` unless the key has the scope; `ops` and `ml` include `view`."""
        if _GRANTED_BY.get(scope, {scope}).isdisjoint(self.scopes):
            raise Forbidden(
                f"this needs a key with scope {scope}; key {self.prefix} has "
                f"{', '.join(self.scopes)}"
            )


@dataclass(frozen=True, slots=True)
class IssuedKey:
    """A new key with its token, which is shown once and kept nowhere."""

    record: KeyRecord
    token: str = field(repr=False)


class Keys(Protocol):
    """What doors and commands need of the keys; `KeyStore` and its in-memory twin."""

    async def create(self, name: str, scopes: Iterable[str], author: Author) -> IssuedKey: ...
    async def fetch_all(self) -> list[KeyRecord]: ...
    async def revoke(self, prefix: str, author: Author) -> KeyRecord: ...
    async def verify(self, token: str) -> KeyRecord: ...


def new_token() -> str:
    """`adb_<prefix>_<secret>`: 32 random bits to name it, 256 to keep it."""
    return f"adb_{secrets.token_hex(4)}_{secrets.token_hex(32)}"


def prefix_of(token: str) -> str:
    """The readable part. Raises `Unauthorized` for what is no token of ours."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        raise refused()
    return found[1]


def hash_token(token: str) -> bytes:
    """SHA-256, 32 bytes. A slow hash guards guessable secrets; this one has 256 random bits."""
    return hashlib.sha256(token.encode()).digest()


def checked_scopes(scopes: Iterable[str]) -> tuple[Scope, ...]:
    """The scopes in their fixed order. Raises `InvalidRequest` for none or an unknown one."""
    asked = set(scopes)
    unknown = sorted(asked - set(SCOPES))
    if unknown or not asked:
        said = f"no scope {', '.join(unknown)}" if unknown else "at least one is needed"
        problem = FieldProblem("scopes", f"{said}; there are {', '.join(SCOPES)}")
        raise InvalidRequest(f"scopes: {problem.problem}", problems=(problem,))
    return tuple(scope for scope in SCOPES if scope in asked)


def checked_name(name: str) -> str:
    """The name. Raises `InvalidRequest` for an empty, overlong or unprintable one."""
    if not name.strip() or len(name) > _LONGEST_NAME or not name.isprintable():
        problem = FieldProblem("name", f"must be 1 to {_LONGEST_NAME} printable characters")
        raise InvalidRequest(f"name {problem.problem}", problems=(problem,))
    return name


def refused() -> Unauthorized:
    """The same words for every reason, so that nobody learns which part was right."""
    return Unauthorized("the API key is missing, unknown or revoked")
