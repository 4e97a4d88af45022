"""What an ingress gives to the models: their routes, and bundles for the challengers."""

from dataclasses import dataclass

from fastapi import APIRouter

from bidding.errors import StoreUnavailable
from deployments.access import Access
from deployments.model_view import ModelView, Reports
from deployments.routes import models
from deployments.shadow import Ask, Shadow
from stores.live_quality import PostgresLiveQuality
from stores.model_changes import PostgresModelChanges
from stores.model_registry import MlflowRegistry
from stores.postgres import Postgres
from stores.promotion import Promotions
from stores.promotion_settings import load_promotion_settings
from stores.settings import Settings

# People wait longer than ad servers do.
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class ModelSide:
    """Clients of their own, as scoring waits for neither people nor challengers."""

    shadow: Shadow
    promotions: Promotions
    view: ModelView
    registry: MlflowRegistry
    postgres: Postgres

    def router(self, access: Access) -> APIRouter:
        """The routes of the models."""
        return models.build(self.promotions, self.view, access)

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self.shadow.aclose()
        await self.registry.close()
        await self.postgres.aclose()


def open_models(settings: Settings, reports: Reports, ask: Ask) -> ModelSide:
    """The models' side of this installation. Raises `StoreUnavailable` where no store is set."""
    if settings.database_url is None or settings.mlflow_tracking_uri is None:
        raise StoreUnavailable("DATABASE_URL or MLFLOW_TRACKING_URI is not set; see `adbid up`")
    rules = load_promotion_settings()
    postgres = Postgres(settings.database_url, max_size=2, timeout_s=TIMEOUT_S)
    registry = MlflowRegistry(settings.mlflow_tracking_uri, timeout_s=TIMEOUT_S)
    promotions = Promotions(registry, PostgresModelChanges(postgres))
    quality = PostgresLiveQuality(postgres)
    view = ModelView(promotions, quality, reports, days=rules.compare_days)
    return ModelSide(Shadow(ask, quality, rules.shadow), promotions, view, registry, postgres)
