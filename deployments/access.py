"""Who may do what: keys from a bearer header or the dashboard's cookie, and each route's scope.

Every route declares what it needs: `access.require("ops")`, `access.scoring()` or `PUBLIC`.
"""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any
from urllib.parse import unquote

from fastapi import Depends, FastAPI, Request, Security
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import APIKeyCookie, HTTPAuthorizationCredentials, HTTPBearer
from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from bidding.errors import Forbidden
from stores.audit import Author
from stores.key_types import KeyRecord, Keys, Scope, refused
from stores.sign_ins import MemorySignIns, SignIns

COOKIE = "adbid_session"
SESSION_S = 12 * 3600
# A form of another site can't set this header: with the cookie alone nothing is written.
SITE_HEADER, SITE_VALUE = "x-requested-with", "adbid"
# The id of a request's key, set in its ASGI scope once it was found good.
VERIFIED = "adbid.verified"
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
_BEARER = HTTPBearer(
    auto_error=False, scheme_name="key", description="`adbid keys create` makes one."
)
_COOKIE = APIKeyCookie(
    name=COOKIE, auto_error=False, scheme_name="session", description="Set by POST /api/session."
)

RawHeaders = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Credentials:
    """A token as it came; `expires_at` (seconds since 1970) where it came in the cookie."""

    token: str = field(repr=False)
    expires_at: int | None = None


class Access:
    """Checks keys. `scoring_open` lets scoring pass without one; `sign_ins` counts wrong keys."""

    def __init__(
        self,
        keys: Keys,
        *,
        scoring_open: bool,
        sign_ins: SignIns | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.keys = keys
        self.scoring_open = scoring_open
        self.sign_ins = sign_ins or MemorySignIns()
        self._clock = clock

    async def check(self, raw: RawHeaders, method: str, scope: Scope | None) -> KeyRecord:
        """The key behind a request; `None` takes any. Raises `Unauthorized` or `Forbidden`."""
        headers = Headers(raw=list(raw))
        found = self.credentials(headers)
        if found.expires_at is not None and method not in _SAFE:
            check_same_site(headers)
        record = await self.keys.verify(found.token)
        if scope is not None:
            record.require(scope)
        return record

    async def admit(self, raw: RawHeaders) -> KeyRecord | None:
        """The key, where one is needed. Raises unless this request may score."""
        return None if self.scoring_open else await self.check(raw, "POST", "score")

    def credentials(self, headers: Headers) -> Credentials:
        """What a request proves itself by. Raises `Unauthorized` where there is nothing."""
        kind, _, token = headers.get("authorization", "").partition(" ")
        if token and kind.lower() == "bearer":
            return Credentials(token.strip())
        cookie = cookie_parser(headers.get("cookie", "")).get(COOKIE, "")
        token, _, expires_at = cookie.partition(".")
        if not expires_at.isdecimal() or int(expires_at[:12]) < self._clock():
            raise refused()
        return Credentials(token, int(expires_at[:12]))

    def new_cookie(self, token: str) -> tuple[str, int]:
        """The cookie's value, and when it ends."""
        expires_at = int(self._clock()) + SESSION_S
        return f"{token}.{expires_at}", expires_at

    def require(self, scope: Scope) -> Any:
        """A dependency that gives the `KeyRecord` and refuses whoever lacks the scope."""
        return Depends(Requirement(self, scope))

    def signed_in(self) -> Any:
        """A dependency that gives the `KeyRecord`, whatever its scopes."""
        return Depends(Requirement(self, None))

    def scoring(self) -> Any:
        """The dependency of the scoring route."""
        return Depends(ScoringRequirement(self))


class Declared:
    """What every route names once: who may call it."""


class Requirement(Declared):
    """`require`'s dependency; its parameters document both ways in."""

    def __init__(self, access: Access, scope: Scope | None) -> None:
        self.scope = scope
        self._access = access

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
        _cookie: Annotated[str | None, Security(_COOKIE)] = None,
    ) -> KeyRecord:
        key = await self._access.check(request.scope["headers"], request.method, self.scope)
        request.scope[VERIFIED] = key.id
        return key


class ScoringRequirement(Declared):
    """`scoring`'s dependency."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(self, request: Request) -> None:
        key = await self._access.admit(request.scope["headers"])
        request.scope[VERIFIED] = None if key is None else key.id


class PublicRequirement(Declared):
    """Says in so many words that a route is open to everybody."""

    async def __call__(self) -> None:
        return None


PUBLIC = Depends(PublicRequirement())


def undeclared_routes(app: FastAPI) -> list[str]:
    """The routes of `app` that do not say who may call them."""
    return [
        f"{sorted(route.methods or ())} {route.path}"
        for route in iter_route_contexts(app.routes)
        if isinstance(route.original_route, APIRoute)
        and not any(isinstance(each.call, Declared) for each in route.dependant.dependencies)
    ]


def scoring_is_open(host: str) -> bool:
    """Without a key only where nobody else can reach the port."""
    return host in _LOOPBACK


def check_same_site(headers: Headers) -> None:
    """Raises `Forbidden` for a write by cookie that may come from another site's page."""
    if headers.get(SITE_HEADER, "").lower() != SITE_VALUE:
        raise Forbidden(f"a write with the session cookie needs X-Requested-With: {SITE_VALUE}")


def author_of(key: KeyRecord, reason: str | None) -> Author:
    """The audit log's author: the key, by its name and its readable prefix."""
    return Author(f"{key.name} ({key.prefix})", reason or None)


def reason_of(header: str | None) -> str | None:
    """`X-Reason`, percent-decoded, since headers hold no other than Latin letters."""
    return None if header is None else unquote(header).replace("\x00", "")
