"""The features deployment: reads slots and rules for every ingress, one round trip a call."""

import time

from ray.serve.handle import DeploymentHandle

from bidding.errors import StoreUnavailable
from deployments import logs
from deployments.metrics import Key, key
from deployments.metrics_ingress import STORES
from deployments.telemetry_report import Reporter
from deployments.tracing import is_wanted, own_process
from stores.auction_settings import load_auction_rules
from stores.feature_types import RulesFetched, SlotKey, SlotsFetched
from stores.features import FeatureStore
from stores.postgres import Postgres
from stores.redis_cache import RedisCache
from stores.settings import Settings, load_settings
from stores.traced import SpanRecord, TracedPostgres, TracedRedis, collecting


def open_feature_store(settings: Settings) -> FeatureStore:
    """The feature store of this installation. Raises `StoreUnavailable` when none is set."""
    if settings.database_url is None or settings.redis_url is None:
        raise StoreUnavailable("DATABASE_URL and REDIS_URL are not set; `adbid up` sets them")
    auction = load_auction_rules()
    if is_wanted():
        traced = TracedPostgres(settings.database_url), TracedRedis(settings.redis_url)
        return FeatureStore(*traced, auction=auction)
    plain = Postgres(settings.database_url), RedisCache(settings.redis_url)
    return FeatureStore(*plain, auction=auction)


class Features:
    """`stores.feature_types.Features` for the ingress replicas."""

    async def __init__(self, telemetry: DeploymentHandle) -> None:  # type: ignore[misc]
        logs.configure("features")
        self._store = open_feature_store(load_settings())
        send = telemetry.options(_by_reference=False).take.remote
        self._reporter = Reporter("Features", [self._read_metrics], send)
        self._reporter.start()

    async def fetch_slots(
        self, keys: list[SlotKey], deadline: float, at_least: int = 0, trace_id: str | None = None
    ) -> SlotsFetched:
        """The slots behind `keys`, within `deadline` seconds; keys nobody could tell are named."""
        try:
            with logs.answering(trace_id, "fetch_slots"):
                return await self._store.fetch_slots(keys, deadline, at_least)
        except StoreUnavailable:
            nobody = frozenset({"redis", "postgres"})
            return SlotsFetched({}, unanswered=frozenset(keys), missing=nobody)

    async def fetch_slots_traced(
        self, keys: list[SlotKey], deadline: float, at_least: int = 0, trace_id: str | None = None
    ) -> tuple[SlotsFetched, SpanRecord]:
        """`fetch_slots`, and what it did."""
        started_ns = time.time_ns()
        with collecting() as records:
            fetched = await self.fetch_slots(keys, deadline, at_least, trace_id)
        span = SpanRecord(
            "features.fetch_slots",
            started_ns,
            time.time_ns(),
            {"adbid.slots": len(keys)},
            tuple(records),
            own_process("features"),
        )
        return fetched, span

    async def fetch_rules(self, deadline: float, at_least: int = 0) -> RulesFetched | None:
        """All rules; None when no store answers."""
        try:
            return await self._store.fetch_rules(deadline, at_least)
        except StoreUnavailable:
            return None

    async def down(self) -> frozenset[str]:
        """The stores known not to answer just now."""
        return self._store.down()

    def _read_metrics(self) -> dict[Key, float]:
        down = self._store.down()
        return {key("adbid_store_up", store): int(store not in down) for store in STORES}
