"""What an ingress gives to the learning loop: logged decisions and events."""

from dataclasses import dataclass

import numpy as np
from fastapi import APIRouter

from bidding.errors import BrokenRuleBook, StoreUnavailable
from deployments.access import Access
from deployments.decision_log import DecisionLog
from deployments.event_intake import EventIntake
from deployments.lately import Lately
from deployments.model_view import Reports
from deployments.routes import decisions, events, metrics
from deployments.rules_view import RulesFeed
from deployments.slot_source import SlotSource
from stores.decisions import PostgresDecisions
from stores.event_settings import load_event_settings
from stores.events import PostgresEvents
from stores.feature_types import SlotKey
from stores.metrics import PostgresMetrics
from stores.model_changes import PostgresModelChanges
from stores.postgres import Postgres
from stores.settings import Settings

# Younger rules tell who is no brand: a wrong key must not load the stores with each event.
BRANDS_KEPT_S = 1.0
CONNECTIONS = 2
TIMEOUT_S = 5.0


class Catalogue:
    """Our ids of slots and brands, as this ingress knows them."""

    def __init__(self, rules: RulesFeed, slots: SlotSource) -> None:
        self._rules = rules
        self._slots = slots
        self._read_rules = Lately(self._refresh, BRANDS_KEPT_S)

    async def find_slot(self, key: SlotKey) -> int:
        """Raises `UnknownSlot`, or `StoreUnavailable` where nobody can tell."""
        slot = self._slots.cached(key)
        if slot is not None:
            return slot.slot_id
        read = await self._slots.fetch(key)
        if read.degraded:
            raise StoreUnavailable("no store can tell which slot this is; send it again")
        return read.slot.slot_id

    async def find_brand(self, key: int | str) -> int | None:
        """`None` for a brand that is not there, by rules that were read just now: what is rejected
        is never sent again. Raises `StoreUnavailable` where they cannot be read."""
        found = self._brand(key)
        if found is None and self._rules.age_s > BRANDS_KEPT_S:
            await self._read_rules()
            found = self._brand(key)
        return found

    async def _refresh(self) -> None:
        try:
            await self._rules.refresh()
        except BrokenRuleBook as error:
            raise StoreUnavailable("the rules contradict themselves; send it again") from error

    def _brand(self, key: int | str) -> int | None:
        view = self._rules.view
        if view is None:
            raise StoreUnavailable("the rules were never read; try again in a moment")
        if isinstance(key, str):
            return view.brand_ids.get(key)
        row = view.rules.rows_of(np.array([key]))[0]
        return key if view.rules.known[row] else None


@dataclass(frozen=True, slots=True)
class Learning:
    """Clients of their own: neither log nor events wait for the other, nor scoring for them."""

    log: DecisionLog
    intake: EventIntake
    reading: Postgres
    writing: tuple[Postgres, ...]
    kept_days: int

    def routers(
        self, access: Access, readiness: metrics.Readiness, reports: Reports
    ) -> list[APIRouter]:
        """The routes of the learning loop."""
        return [
            events.build(self.intake, access),
            decisions.build(PostgresDecisions(self.reading), access, self.kept_days),
            metrics.build(
                PostgresMetrics(self.reading),
                PostgresModelChanges(self.reading),
                readiness,
                reports,
                access,
            ),
        ]

    def start(self) -> None:
        """Begin to write in the background of the running event loop."""
        self.log.start()

    async def aclose(self) -> None:
        """Write what waits, then close."""
        await self.log.aclose()
        for client in (self.reading, *self.writing):
            await client.aclose()


def open_learning(settings: Settings, rules: RulesFeed, slots: SlotSource) -> Learning:
    """The learning side of this installation. Raises `StoreUnavailable` where no store is set."""
    if settings.database_url is None:
        raise StoreUnavailable("DATABASE_URL is not set; `adbid up` sets it")
    limits = load_event_settings()
    reading, logging, reporting = (
        Postgres(settings.database_url, max_size=CONNECTIONS, timeout_s=TIMEOUT_S) for _ in range(3)
    )
    catalogue = Catalogue(rules, slots)
    intake = EventIntake(
        PostgresEvents(reporting), limits.events, catalogue.find_slot, catalogue.find_brand
    )
    log = DecisionLog(PostgresDecisions(logging), limits.decision_log)
    kept_days = limits.retention_days.decision
    return Learning(log, intake, reading, (logging, reporting), kept_days)
