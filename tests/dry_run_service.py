"""A service that answers dry runs as a test says, on a real port."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import ThreadingHTTPServer

from tests.answering import Answering
from training.dry_run import Service

SCORED = '{"bundles": [{"name": "one", "error": null, "before": [2, 1], "after": [2, 1]}]}'


class _Answer(Answering):
    def do_POST(self) -> None:  # noqa: N802 - as http.server calls it
        self.rfile.read(int(self.headers["content-length"]))
        left: list[int] = self.server.statuses  # type: ignore[attr-defined]
        status = left.pop(0) if len(left) > 1 else left[0]
        self.say(SCORED if status == 200 else '{"detail": "not now"}', status)


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
