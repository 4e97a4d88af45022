"""What the ops routes of one process stand on: keys, catalogue, audit log, estimates, what-if."""

from dataclasses import dataclass

from fastapi import APIRouter

from bidding.bundle import RuleBook
from bidding.errors import StoreUnavailable
from deployments.access import Access, scoring_is_open
from deployments.estimates import Estimator
from deployments.routes import audit, estimates, what_if
from deployments.routes import catalogue as catalogue_routes
from deployments.what_if import WhatIf
from stores.auction_settings import load_auction_rules
from stores.audit import AuditLog
from stores.brand_names import BrandNames
from stores.catalogue import Catalogue
from stores.changes import Change
from stores.features import FeatureStore
from stores.keys import ENTITY as KEY_ENTITY
from stores.keys import KeyStore
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache
from stores.settings import Settings
from stores.sign_ins import RedisSignIns

# People wait longer than ad servers do.
TIMEOUT_S = 3.0


@dataclass(frozen=True, slots=True)
class Ops:
    """Clients of their own, so that no person's query takes a connection from serving."""

    access: Access
    keys: KeyStore
    postgres: Postgres
    features: FeatureStore
    publisher: Publisher
    what_if: WhatIf
    sign_ins: RedisSignIns

    def routers(self) -> list[APIRouter]:
        """The routes that ops and the dashboard use."""
        catalogue = Catalogue(self.postgres, self.publisher)
        return [
            *catalogue_routes.build_all(catalogue, self.access),
            audit.build(catalogue, AuditLog(self.postgres), self.access),
            what_if.build(self.what_if, BrandNames(self.postgres), self.access),
            estimates.build(self.features, Estimator.from_configs(), self.access),
        ]

    def heard(self, change: Change) -> None:
        """A change was announced: a revoked key stops at once."""
        if change.entity == KEY_ENTITY:
            self.keys.forget(change.id)

    async def aclose(self) -> None:
        await self.keys.aclose()
        await self.publisher.aclose()
        await self.features.aclose()
        await self.sign_ins.aclose()


def open_ops(settings: Settings) -> Ops:
    """The ops side of this installation. Raises `StoreUnavailable` when no stores are set."""
    if settings.database_url is None or settings.redis_url is None:
        raise StoreUnavailable("DATABASE_URL and REDIS_URL are not set; `adbid up` sets them")
    postgres = Postgres(settings.database_url, timeout_s=TIMEOUT_S)
    redis = RedisCache(settings.redis_url)
    features = FeatureStore(postgres, redis, auction=load_auction_rules())
    publisher = Publisher(postgres, redis)
    keys = KeyStore(postgres, publisher)

    async def rules() -> RuleBook:
        return (await features.fetch_rules(TIMEOUT_S)).snapshot.rules

    sign_ins = RedisSignIns(settings.redis_url)
    return Ops(
        Access(keys, scoring_open=scoring_is_open(settings.host), sign_ins=sign_ins),
        keys,
        postgres,
        features,
        publisher,
        WhatIf(settings.database_url, postgres, rules),
        sign_ins,
    )
