"""The ops side of the service over real stores, in this process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from fastapi import FastAPI

from deployments import api
from deployments.ops import Ops, open_ops
from stores.audit import Author
from stores.settings import Settings

SITE = {"X-Requested-With": "adbid"}


@dataclass(frozen=True, slots=True)
class Service:
    """The application, what it stands on, and a client with a key for everything."""

    app: FastAPI
    ops: Ops
    client: httpx.AsyncClient
    token: str

    async def key(self, *scopes: str) -> dict[str, str]:
        """The header of a new key."""
        return bearer((await self.ops.keys.create("test", scopes, Author("test"))).token)


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


async def no_score(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
    return b"{}"


def readiness() -> dict[str, Any]:
    return {"ready": True, "degraded": [], "models": {}}


@asynccontextmanager
async def a_service(postgres_url: str, redis_url: str) -> AsyncIterator[Service]:
    ops = open_ops(Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url))
    app = api.build(no_score, readiness, ops.access, ops.routers())
    token = (await ops.keys.create("tester", ["ops", "view"], Author("test"))).token
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(
        transport=transport, base_url="http://test", headers=bearer(token)
    ) as client:
        yield Service(app, ops, client, token)
    await ops.aclose()
