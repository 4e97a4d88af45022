"""From records to OpenTelemetry spans, exported over OTLP/HTTP in batches by a thread."""

import random

from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, Status, StatusCode, TraceFlags

from deployments.tracing import Trace, own_process
from stores.traced import Process, SpanRecord

_SCOPE = InstrumentationScope("adbid")
_SAMPLED = TraceFlags(TraceFlags.SAMPLED)
_MOST_PROCESSES = 1_000


class Exporter:
    """Turns a trace and its records into spans. `OTEL_BSP_*` sets sizes and delays."""

    def __init__(self) -> None:
        self._batches = BatchSpanProcessor(OTLPSpanExporter())
        self._process = own_process("ingress")
        self._resources: dict[tuple[str, int], Resource] = {}

    def __call__(self, trace: Trace, ended_ns: int) -> None:
        said = {**trace.attributes, "http.request.method": "POST", "http.route": "/api/score"}
        root = SpanRecord(
            "POST /api/score",
            trace.started_ns,
            ended_ns,
            said,
            tuple(trace.records),
            self._process,
        )
        parent = None if trace.parent_id is None else _context(trace, trace.parent_id, remote=True)
        self._emit(trace, root, _context(trace, trace.span_id), parent, self._process)

    def close(self) -> None:
        """Send what waits; at the end of the process."""
        self._batches.force_flush()
        self._batches.shutdown()  # type: ignore[no-untyped-call]

    def _emit(
        self,
        trace: Trace,
        record: SpanRecord,
        context: SpanContext,
        parent: SpanContext | None,
        process: Process,
    ) -> None:
        process = record.process or process
        self._batches.on_end(
            ReadableSpan(
                record.name,
                context,
                parent,
                resource=self._resource(process),
                attributes=record.attributes,
                kind=_kind(record),
                status=Status(StatusCode.ERROR) if record.failed else Status(),
                start_time=record.started_ns,
                end_time=record.ended_ns,
                instrumentation_scope=_SCOPE,
            )
        )
        for child in record.children:
            self._emit(trace, child, _context(trace, random.getrandbits(64) | 1), context, process)

    def _resource(self, process: Process) -> Resource:
        found = self._resources.get((process.service, process.pid))
        if found is None:
            if len(self._resources) >= _MOST_PROCESSES:
                self._resources.clear()
            found = Resource.create({"service.name": process.service, "process.pid": process.pid})
            self._resources[process.service, process.pid] = found
        return found


def _kind(record: SpanRecord) -> SpanKind:
    if record.process is not None:
        return SpanKind.SERVER
    calls_out = any(child.process is not None for child in record.children)
    return SpanKind.CLIENT if calls_out or record.is_query else SpanKind.INTERNAL


def _context(trace: Trace, span_id: int, *, remote: bool = False) -> SpanContext:
    return SpanContext(trace.trace_id, span_id, remote, _SAMPLED)
