"""Every metric of `/metrics`: its name, kind, labels, and what it says. docs/metrics.md mirrors it.

Label values come from closed sets (pricing models, reasons, parts, routes, our two models), so the
number of series is bounded whatever clients send.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]
# How the gauges of several replicas become one.
Merge = Literal["sum", "max", "min"]
# A metric's name and its label values, in the order of its labels.
Key = tuple[str, tuple[str, ...]]
Samples = Mapping[Key, float]

# Upper edges of the latency buckets in seconds; 0.025 is the default deadline.
LATENCY_EDGES = (
    *(0.0005, 0.001, 0.0015, 0.002, 0.003, 0.004, 0.005, 0.0075, 0.010, 0.015, 0.020, 0.025),
    *(0.035, 0.050, 0.100, 0.250, 0.500, 1.0, 2.5, 5.0, 10.0),
)
LATENCY = "score_latency_seconds"
OVER_ALL_EDGES = "+Inf"


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric; `labels` name its label values in order."""

    name: str
    kind: Kind
    says: str
    labels: tuple[str, ...] = ()
    merge: Merge = "sum"


def _counter(name: str, says: str, *labels: str) -> Metric:
    return Metric(name, "counter", says, labels)


def _gauge(name: str, says: str, *labels: str, merge: Merge = "sum") -> Metric:
    return Metric(name, "gauge", says, labels, merge)


METRICS: tuple[Metric, ...] = (
    _counter("bid_requests_total", "Bids evaluated, by pricing model", "model"),
    Metric(LATENCY, "histogram", "Arrival of a bundle to its answer, answered bundles only"),
    _counter("adbid_score_requests_total", "Bundles by the HTTP status of their answer", "status"),
    _counter(
        "adbid_door_refusals_total", "Bundles answered 503 by HAProxy, as too many were under way"
    ),
    _counter("adbid_wins_total", "Bundles with a winner"),
    _counter("adbid_win_vpi_total", "Sum of the winners' value per impression"),
    _counter("adbid_bid_outcomes_total", "Bids by reason: WON, OUTBID, or why no bid", "reason"),
    _counter("adbid_no_bids_total", "Bids that took no part in the ranking, by reason", "reason"),
    _counter("adbid_degraded_total", "Bundles answered without a part", "part"),
    _counter("adbid_degraded_bundles_total", "Bundles answered without one part or more"),
    _counter("adbid_deadline_misses_total", "Bundles answered later than their tmax_ms"),
    _counter("adbid_near_cache_reads_total", "Reads of the ingress' near cache", "result"),
    _gauge("adbid_queue_length", "What waits: bundles, events, decisions", "queue"),
    _counter("adbid_scoring_calls_total", "Calls to scoring: line, handle, or late (none)", "way"),
    _counter("adbid_decisions_total", "Decisions by what the log did with them", "outcome"),
    _counter("adbid_decision_log_dropped_total", "Decisions (bids_*: bids) not kept", "reason"),
    _counter("adbid_events_total", "Events by what became of them", "outcome"),
    _counter("adbid_event_calls_refused_total", "Calls of /api/events answered 503"),
    _counter("adbid_events_counted_total", "Events added to performance by the rollup"),
    _counter("adbid_rollup_failures_total", "Attempts of the rollup that failed"),
    _gauge("adbid_store_up", "1 while a store answers every replica", "store", merge="min"),
    _gauge("adbid_rules_age_seconds", "Since the rules were last confirmed, oldest", merge="max"),
    _gauge("adbid_model_info", "Scoring replicas that serve this version", "model", "version"),
    _counter(
        "adbid_model_reloads_total", "Model loads: swapped, refused, failed", "model", "outcome"
    ),
    _gauge("adbid_model_refused", "Versions a replica refuses just now", "model", merge="max"),
    _gauge("adbid_model_trained_timestamp_seconds", "Newest version made", "model", merge="max"),
    _gauge("adbid_nightly_success_timestamp_seconds", "Last good nightly training", merge="max"),
    _gauge("adbid_gate_verdicts", "Registered versions by the gate's verdict", "model", "verdict"),
    _gauge("adbid_model_calibration_ratio", "Live predicted / actual, champion", "model"),
    _counter("adbid_http_requests_total", "Other requests", "route", "method", "status"),
    _counter("adbid_rate_limited_total", "Requests answered 429", "limit"),
    _counter("adbid_traces_total", "Traces kept, and why", "reason"),
    _gauge("adbid_replicas", "Replicas that reported lately", "deployment"),
    _counter("adbid_process_cpu_seconds_total", "CPU time of replicas", "deployment"),
    _gauge("adbid_process_resident_bytes", "Memory of replicas", "deployment"),
    _gauge("adbid_process_open_fds", "Open descriptors of replicas", "deployment"),
)
BY_NAME: Mapping[str, Metric] = {metric.name: metric for metric in METRICS}


def key(name: str, *values: str) -> Key:
    """The key of one series. Raises `KeyError` or `ValueError` for what is not declared above."""
    if len(values) != len(BY_NAME[name].labels):
        raise ValueError(f"{name} has the labels {BY_NAME[name].labels}, not {len(values)} values")
    return name, values
