"""An OTLP/HTTP receiver: keeps the spans that are exported to it."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)


@dataclass(frozen=True, slots=True)
class Span:
    """One received span; ids in hex, `parent` empty for a root."""

    trace_id: str
    span_id: str
    parent: str
    name: str
    service: str
    pid: int
    attributes: dict[str, str]
    failed: bool


@dataclass(slots=True)
class Receiver:
    """What came in so far."""

    url: str = ""
    spans: list[Span] = field(default_factory=list)

    def of(self, trace_id: str) -> list[Span]:
        return [span for span in self.spans if span.trace_id == trace_id]

    def wait_for(
        self, trace_id: str, enough: Callable[[list[Span]], bool] = bool, within_s: float = 20.0
    ) -> list[Span]:
        """The spans of a trace once there are enough."""
        until = time.monotonic() + within_s
        while time.monotonic() < until and not enough(self.of(trace_id)):
            time.sleep(0.05)
        return self.of(trace_id)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver on a port of its own."""
    found = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.spans += list(_spans(ExportTraceServiceRequest.FromString(body)))
            answer = ExportTraceServiceResponse().SerializeToString()
            self.send_response(200)
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Silence."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    found.url = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield found
    server.shutdown()


def tree(spans: list[Span], parent: str = "") -> dict[str, object]:
    """Names nested in names, from the spans whose parent is `parent`."""
    return {s.name: tree(spans, s.span_id) for s in spans if s.parent == parent}


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span]:
    for resource in request.resource_spans:
        said = {a.key: a.value for a in resource.resource.attributes}
        for scope in resource.scope_spans:
            for span in scope.spans:
                yield Span(
                    span.trace_id.hex(),
                    span.span_id.hex(),
                    span.parent_span_id.hex(),
                    span.name,
                    said["service.name"].string_value,
                    said["process.pid"].int_value,
                    {
                        a.key: a.value.string_value or str(a.value.int_value)
                        for a in span.attributes
                    },
                    span.status.code == 2,
                )
