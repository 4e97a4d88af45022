"""`/api/session`: a browser trades its key for a cookie that scripts can't read."""

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from bidding.errors import TooManyAttempts, Unauthorized
from deployments import openapi
from deployments.access import COOKIE, PUBLIC, SESSION_S, Access, check_same_site
from stores.key_types import KeyRecord, Scope, refused

PATH = "/api/session"


class SessionIn(BaseModel):
    """The key, as `adbid keys create` printed it."""

    model_config = ConfigDict(extra="forbid")

    key: Annotated[SecretStr, Field(max_length=200, json_schema_extra={"format": "password"})]


class Session(BaseModel):
    """Whose key it is; `expires_at` is null for a key sent as a bearer token."""

    name: str
    scopes: tuple[Scope, ...]
    expires_at: datetime | None


def build(access: Access) -> APIRouter:
    """The router of the session routes."""
    router = APIRouter(tags=["access"])

    @router.get(PATH, operation_id="get_session", responses=openapi.errors(401, 503))
    async def get_session(
        request: Request, key: Annotated[KeyRecord, access.signed_in()]
    ) -> Session:
        """Who is signed in."""
        return _session(key, access.credentials(request.headers).expires_at)

    @router.post(
        PATH,
        operation_id="sign_in",
        dependencies=[PUBLIC],
        responses=openapi.errors(400, 401, 413, 422, 429, 503),
    )
    async def sign_in(body: SessionIn, request: Request, response: Response) -> Session:
        """Trade a key for a session cookie."""
        address = request.client.host if request.client else ""
        if await access.sign_ins.blocked(address):
            raise TooManyAttempts("too many failed sign-ins from here; wait a moment")
        token = body.key.get_secret_value()
        try:
            key = await access.keys.verify(token)
        except Unauthorized:
            await access.sign_ins.failed(address)
            raise
        value, expires_at = access.new_cookie(token)
        response.set_cookie(
            COOKIE,
            value,
            max_age=SESSION_S,
            secure=_is_https(request),
            httponly=True,
            samesite="strict",
        )
        return _session(key, expires_at)

    @router.delete(
        PATH,
        operation_id="sign_out",
        dependencies=[PUBLIC],
        status_code=204,
        responses=openapi.errors(403),
    )
    async def sign_out(request: Request, response: Response) -> None:
        """Forget the cookie; the key itself goes on working until it is revoked."""
        if COOKIE in request.cookies:
            check_same_site(request.headers)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")

    return router


def _session(key: KeyRecord, expires_at: int | None) -> Session:
    until = None if expires_at is None else _time_of(expires_at)
    return Session(name=key.name, scopes=key.scopes, expires_at=until)


def _time_of(expires_at: int) -> datetime:
    try:
        return datetime.fromtimestamp(expires_at, UTC)
    except (OverflowError, ValueError):  # beyond the calendar: no cookie that we made
        raise refused() from None


def _is_https(request: Request) -> bool:
    forwarded = request.headers.get("x-forwarded-proto", "")
    return "https" in (request.url.scheme, forwarded.split(",")[0].strip())
