"""What the ops routes of one process stand on: keys, catalogue and audit log."""

from dataclasses import dataclass

from fastapi import APIRouter

from bidding.errors import StoreUnavailable
from deployments.access import Access, scoring_is_open
from deployments.routes import audit
from deployments.routes import catalogue as catalogue_routes
from stores.audit import AuditLog
from stores.catalogue import Catalogue
from stores.changes import Change
from stores.keys import ENTITY as KEY_ENTITY
from stores.keys import KeyStore
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.settings import Settings

# People wait longer than ad servers do.
TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Ops:
    """Clients of their own, so that no person's query takes a connection from serving."""

    access: Access
    keys: KeyStore
    postgres: Postgres
    redis: RedisCache
    publisher: Publisher

    def routers(self) -> list[APIRouter]:
        """The routes that ops and the dashboard use."""
        catalogue = Catalogue(self.postgres, self.publisher)
        return [
            *catalogue_routes.build_all(catalogue, self.access),
            audit.build(catalogue, AuditLog(self.postgres), self.access),
        ]

    def heard(self, change: Change) -> None:
        """A change was announced: a revoked key stops at once."""
        if change.entity == KEY_ENTITY:
            self.keys.forget(change.id)

    async def aclose(self) -> None:
        await self.publisher.aclose()
        await self.redis.aclose()
        await self.postgres.aclose()


def open_ops(settings: Settings) -> Ops:
    """The ops side of this installation. Raises `StoreUnavailable` when no stores are set."""
    if settings.database_url is None or settings.redis_url is None:
        raise StoreUnavailable("DATABASE_URL and REDIS_URL are not set; `adbid up` sets them")
    postgres = Postgres(settings.database_url, timeout_s=TIMEOUT_S)
    redis = RedisCache(settings.redis_url)
    publisher = Publisher(postgres, redis)
    keys = KeyStore(postgres, publisher)
    access = Access(keys, scoring_open=scoring_is_open(settings.host))
    return Ops(access, keys, postgres, redis, publisher)
