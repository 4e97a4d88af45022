"""What an ingress gives to the learning loop: logged decisions and events."""

from dataclasses import dataclass

from fastapi import APIRouter

from bidding.errors import StoreUnavailable
from deployments.access import Access
from deployments.decision_log import DecisionLog
from stores.decisions import PostgresDecisions
from stores.event_settings import load_event_settings
from stores.postgres import Postgres
from stores.settings import Settings

# Two connections for the log, two for events: neither waits behind the other, nor scoring.
CONNECTIONS = 2
TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class Learning:
    """Clients of their own, so that a slow write never takes a connection from serving."""

    log: DecisionLog
    logging: Postgres

    def routers(self, access: Access) -> list[APIRouter]:
        """The routes of the learning loop."""
        return []

    def start(self) -> None:
        """Begin to write in the background of the running event loop."""
        self.log.start()

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self.log.aclose()
        await self.logging.aclose()


def open_learning(settings: Settings) -> Learning:
    """The learning side of this installation. Raises `StoreUnavailable` where no store is set."""
    if settings.database_url is None:
        raise StoreUnavailable("DATABASE_URL is not set; `adbid up` sets it")
    limits = load_event_settings()
    logging = Postgres(settings.database_url, max_size=CONNECTIONS, timeout_s=TIMEOUT_S)
    return Learning(DecisionLog(PostgresDecisions(logging), limits.decision_log), logging)
