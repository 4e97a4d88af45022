"""A client whose request's head never ends."""

import socket
import time

EVERY_S = 0.2


def trickle_head(port: int, patience_s: float) -> tuple[bytes, float]:
    """One byte of a head now and then: what was answered, and after how many seconds.

    It goes on until the connection is closed, `patience_s` at most.
    """
    started, said = time.monotonic(), b""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as slow:
        slow.sendall(b"POST /api/score HTTP/1.1\r\nhost: x\r\n")
        slow.settimeout(EVERY_S)
        while time.monotonic() - started < patience_s:
            try:
                slow.sendall(b"x")
                part = slow.recv(1_000)
            except TimeoutError:
                continue
            except OSError:
                break
            if not part:
                break
            said += part
    return said, time.monotonic() - started
