"""What an ingress tells the metrics besides its bundles: queues, cache, log, events, stores."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from deployments.calls import Way
from deployments.decision_log import DecisionLog
from deployments.event_intake import EventIntake
from deployments.metrics import Key, key
from deployments.rules_view import RulesFeed
from deployments.slot_source import SlotSource

STORES = ("redis", "postgres")
# Each is there from the start, at zero: Prometheus sees no increase in a series that begins high.
DROPS = ("queue_full", "refused", "failed", "shutdown", "bids_queue_full")


@dataclass(frozen=True, slots=True)
class IngressParts:
    """What is counted in an ingress, and by whom. `down` names the stores that are away."""

    slots: SlotSource
    rules: RulesFeed
    decisions: DecisionLog
    events: EventIntake
    scoring: Callable[[], Mapping[Way, int]]
    waiting: Callable[[], int]
    down: Callable[[], Iterable[str]]

    def read(self) -> dict[Key, float]:
        """Every counter's and gauge's value."""
        reads = self.slots.cache.counts
        found: dict[Key, float] = {
            key("adbid_near_cache_reads_total", "hit"): reads.hits,
            key("adbid_near_cache_reads_total", "miss"): reads.misses,
            key("adbid_queue_length", "scoring"): self.waiting(),
            key("adbid_rules_age_seconds"): self.rules.age_s,
        }
        away = set(self.down())
        for store in STORES:
            found[key("adbid_store_up", store)] = int(store not in away)
        for way, count in self.scoring().items():
            found[key("adbid_scoring_calls_total", way)] = count
        return found | self._decisions() | self._events()

    def _decisions(self) -> dict[Key, float]:
        log = self.decisions
        found: dict[Key, float] = {
            key("adbid_queue_length", "decisions"): log.waiting,
            key("adbid_decisions_total", "recorded"): log.recorded,
            key("adbid_decisions_total", "written"): log.written,
            key("adbid_decisions_total", "without_bids"): log.without_bids,
        }
        for reason, count in (dict.fromkeys(DROPS, 0) | log.dropped).items():
            found[key("adbid_decision_log_dropped_total", reason)] = count
        return found

    def _events(self) -> dict[Key, float]:
        events = self.events
        return {
            key("adbid_queue_length", "events"): events.waiting,
            key("adbid_events_total", "accepted"): events.accepted,
            key("adbid_events_total", "duplicate"): events.duplicates,
            key("adbid_events_total", "rejected"): events.rejected,
            key("adbid_event_calls_refused_total"): events.refused,
        }
