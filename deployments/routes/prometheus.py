"""`GET /metrics`: the whole service, in Prometheus' text format, from whichever replica answers."""

from collections.abc import Awaitable, Callable
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
    """Open where scoring is (on loopback); elsewhere a key with scope `view`."""

    def __init__(self, access: Access) -> None:
        self._access = access

    async def __call__(
        self,
        request: Request,
        _bearer: Annotated[HTTPAuthorizationCredentials | None, Security(_BEARER)] = None,
    ) -> None:
        if not self._access.scoring_open:
            await self._access.check(request.scope["headers"], request.method, "view")


def build(text: Text, access: Access) -> APIRouter:
    """The router of the metrics route."""
    router = APIRouter(tags=["health"])

    @router.get(
        "/metrics",
        operation_id="metrics",
        summary="Every metric of the service, for Prometheus",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **openapi.errors(401, 403, 503),
        },
        dependencies=[Depends(MetricsRequirement(access))],
    )
    async def metrics() -> Response:
        return Response(await text(), headers={"Content-Type": CONTENT_TYPE})

    return router
