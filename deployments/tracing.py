"""Tracing by OpenTelemetry: off at no cost unless the standard `OTEL_*` variables ask for it.

A request's spans are kept as plain records until its answer is known; only then is it decided
whether the trace is exported: those drawn by the sampler, and every error, missed deadline and
degraded answer (at most `SPARED_PER_S` of these a second, so that an outage is no flood).
"""

import os
import random
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

from deployments.logs import TRACE_ID
from deployments.metrics import Key, key
from stores.traced import Process, SpanRecord

TRACE_HEADER = "x-trace-id"
DEFAULT_RATIO = 0.01
SPARED_PER_S = 20
_TRACEPARENT_LENGTH = 55
_HEX = frozenset(b"0123456789abcdef")
_LOW_BITS = (1 << 64) - 1

Why = Literal["sampled", "error", "deadline", "degraded"]
CURRENT: ContextVar["Trace | None"] = ContextVar("trace", default=None)


@dataclass(slots=True)
class Trace:
    """One request on its way: its place in the caller's trace, and what was recorded of it."""

    trace_id: int
    span_id: int
    parent_id: int | None
    sampled: bool
    started_ns: int
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    records: list[SpanRecord] = field(default_factory=list)
    worth: Why | None = None

    @property
    def hex_id(self) -> str:
        return f"{self.trace_id:032x}"

    def add(self, name: str, started_ns: int, children: tuple[SpanRecord, ...] = ()) -> None:
        """Record something that ends now."""
        self.records.append(SpanRecord(name, started_ns, time.time_ns(), {}, children))


class Export(Protocol):
    """Takes the traces that are worth keeping, with when they ended."""

    def __call__(self, trace: Trace, ended_ns: int) -> None: ...
    def close(self) -> None: ...


class Tracing:
    """Opens a trace for each request, closes it, exports what is worth it."""

    def __init__(self, export: Export, draw: Callable[[int, bool | None], bool]) -> None:
        self._export = export
        self._draw = draw
        self._kept: Counter[Why] = Counter()
        self._spared = (0, 0)

    def open(self, headers: list[tuple[bytes, bytes]]) -> Trace:
        """The trace of a request that has just come in, continued from its `traceparent`."""
        parent = _parent(headers)
        trace_id, parent_id, sampled = parent or (_new_id(), None, None)
        trace = Trace(
            trace_id,
            random.getrandbits(64) | 1,
            parent_id,
            self._draw(trace_id, sampled),
            time.time_ns(),
        )
        CURRENT.set(trace)
        TRACE_ID.set(trace.hex_id)
        return trace

    def close(self, trace: Trace, status: int) -> dict[str, str]:
        """End it, and export it if it is worth it; the headers of the answer."""
        trace.attributes["http.response.status_code"] = status
        why = self._why(trace, status)
        if why is not None:
            self._kept[why] += 1
            self._export(trace, time.time_ns())
        flags = "01" if why else "00"
        return {
            "traceresponse": f"00-{trace.hex_id}-{trace.span_id:016x}-{flags}",
            TRACE_HEADER: trace.hex_id,
        }

    def note(self, took_s: float, tmax_ms: float, degraded: tuple[str, ...]) -> None:
        """What is known of the current request's answer."""
        trace = CURRENT.get()
        if trace is None:
            return
        trace.attributes["adbid.degraded"] = ",".join(degraded)
        if took_s * 1000.0 > tmax_ms:
            trace.worth = "deadline"
        elif degraded:
            trace.worth = "degraded"

    def close_exporter(self) -> None:
        """Send what waits; blocks, at the end of the process."""
        self._export.close()

    def read(self) -> dict[Key, float]:
        """Its counters, for the metrics."""
        return {key("adbid_traces_total", why): count for why, count in self._kept.items()}

    def _why(self, trace: Trace, status: int) -> Why | None:
        if trace.sampled:
            return "sampled"
        why: Why | None = "error" if status >= 500 else trace.worth
        return why if why is not None and self._may_spare(trace.started_ns) else None

    def _may_spare(self, at_ns: int) -> bool:
        second, spared = self._spared
        now = at_ns // 1_000_000_000
        self._spared = (now, spared + 1 if second == now else 1)
        return self._spared[1] <= SPARED_PER_S


def follow(headers: list[tuple[bytes, bytes]]) -> str:
    """The id that log lines of this request carry from now on; where nothing else is traced."""
    parent = _parent(headers)
    trace_id = f"{parent[0] if parent else _new_id():032x}"
    TRACE_ID.set(trace_id)
    return trace_id


def _parent(headers: list[tuple[bytes, bytes]]) -> tuple[int, int, bool] | None:
    return next((parse(value) for name, value in headers if name == b"traceparent"), None)


def _new_id() -> int:
    return random.getrandbits(128) | 1


def parse(value: bytes) -> tuple[int, int, bool] | None:
    """W3C `traceparent`: trace id, parent's span id, whether it is sampled; None if it is odd."""
    parts = value.strip().split(b"-")
    if len(value) < _TRACEPARENT_LENGTH or [len(part) for part in parts[:4]] != [2, 32, 16, 2]:
        return None
    version, trace, span, flags = parts[:4]
    if not _HEX.issuperset(version + trace + span + flags) or version == b"ff":
        return None
    if version == b"00" and len(parts) != 4:
        return None
    trace_id, span_id = int(trace, 16), int(span, 16)
    return (trace_id, span_id, bool(int(flags, 16) & 1)) if trace_id and span_id else None


def sampler(environment: Mapping[str, str]) -> Callable[[int, bool | None], bool]:
    """The sampler that `OTEL_TRACES_SAMPLER` names; 1% of the traces that start here by default.

    It takes the trace's id and its parent's decision (None without a parent).
    """
    name = environment.get("OTEL_TRACES_SAMPLER", "parentbased_traceidratio")
    kind = name.removeprefix("parentbased_")
    ratio = {"always_on": 1.0, "always_off": 0.0}.get(kind, _ratio(environment))
    limit = int(ratio * (_LOW_BITS + 1))

    def draw(trace_id: int, parent: bool | None) -> bool:
        if parent is not None and kind != name:
            return parent
        return (trace_id & _LOW_BITS) < limit

    return draw


def _ratio(environment: Mapping[str, str]) -> float:
    try:
        return min(max(float(environment.get("OTEL_TRACES_SAMPLER_ARG", DEFAULT_RATIO)), 0.0), 1.0)
    except ValueError:
        return DEFAULT_RATIO


def own_process(deployment: str) -> Process:
    """What the spans of this process say of it."""
    return Process(f"{os.environ.get('OTEL_SERVICE_NAME', 'adbid')}-{deployment}", os.getpid())


def is_wanted(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether an OTLP endpoint is set and tracing is not switched off."""
    endpoints = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    off = environment.get("OTEL_SDK_DISABLED", "").lower() == "true"
    none = environment.get("OTEL_TRACES_EXPORTER", "otlp").lower() == "none"
    return any(environment.get(name) for name in endpoints) and not off and not none


def open_tracing() -> Tracing | None:
    """The tracing that the environment asks for, or None; nothing of it is imported then."""
    if not is_wanted():
        return None
    from deployments.tracing_export import Exporter

    return Tracing(Exporter(), sampler(os.environ))
