"""`GET /metrics`: the whole service, in Prometheus' text format, from whichever replica answers."""

import hmac
import os
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Request, Response, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from deployments import openapi
from deployments.access import Access, Declared
from deployments.telemetry_collect import CONTENT_TYPE

Text = Callable[[], Awaitable[bytes]]
"""Raises `StoreUnavailable` while the telemetry replica does not answer."""
_BEARER = HTTPBearer(auto_error=False, scheme_name="key")


class MetricsRequirement(Declared):
    """Open where scoring is (on loopback); elsewhere a key with scope `view`, or `token`."""

    def __init__(self, access: Access, token: str | None) -> None:
        self._access = access
        self._expected = f"Bearer {token}".encode() if token else None

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
    ) -> None:
        given = request.headers.get("authorization", "").encode("latin-1")
        if self._expected is not None and hmac.compare_digest(given, self._expected):
            return
        if not self._access.scoring_open:
            await self._access.check(request.scope["headers"], request.method, "view")


def read_token(environment: Mapping[str, str]) -> str | None:
    """What the file `ADBID_METRICS_TOKEN_FILE` holds: a secret that Prometheus shares with us."""
    path = environment.get("ADBID_METRICS_TOKEN_FILE")
    return Path(path).read_text(encoding="utf-8").strip() or None if path else None


def build(text: Text, access: Access) -> APIRouter:
    """The router of the metrics route."""
    router = APIRouter(tags=["health"])
    token = read_token(os.environ)

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Every metric of the service, for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **openapi.errors(401, 403, 503),
        },
        dependencies=[Depends(MetricsRequirement(access, token))],
        openapi_extra={"security": [{}]},  # beside the key: none, where it is open
    )
    async def metrics() -> Response:
        return Response(await text(), headers={"Content-Type": CONTENT_TYPE})

    return router
