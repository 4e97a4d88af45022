"""A service that answers dry runs as a test says, on a real port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from training.dry_run import Service

SCORED = b'{"bundles": [{"name": "one", "error": null, "before": [2, 1], "after": [2, 1]}]}'


class _Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        left: list[int] = self.server.statuses  # type: ignore[attr-defined]
        status = left.pop(0) if len(left) > 1 else left[0]
        body = SCORED if status == 200 else b'{"detail": "not now"}'
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def dry_run_service(*statuses: int) -> Iterator[Service]:
    """Answers with these in turn, and with the last one from then on."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answer)
    server.statuses = list(statuses)  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield Service(f"http://127.0.0.1:{server.server_port}", "adb_key")
    finally:
        server.shutdown()
        server.server_close()
