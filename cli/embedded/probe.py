"""The few HTTP questions the supervisor asks, without a proxy and without a client library."""

import http.client
import json
import socket
import urllib.error
import urllib.request
from typing import Any

from cli.embedded.errors import Gone, NotReady

_DIRECT = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def ask(
    url: str, *, method: str = "GET", body: object = None, timeout_s: float = 3.0
) -> tuple[int, bytes]:
    """Status and body of one request. Raises `NotReady` where nothing answers in time."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(  # noqa: S310 - our own http:// addresses
        url, data=data, method=method, headers={"Content-Type": "application/json"}
    )
    try:
        with _DIRECT.open(request, timeout=timeout_s) as response:
            return response.status, response.read()
    except urllib.error.HTTPError as error:
        return error.code, error.read()
    except (OSError, ValueError, http.client.HTTPException) as error:
        refused = isinstance(getattr(error, "reason", error), ConnectionRefusedError)
        kind = Gone if refused else NotReady
        raise kind(f"{url} does not answer: {error}") from error


def expect_listener(port: int, *, timeout_s: float = 3.0) -> None:
    """Return when something accepts connections on 127.0.0.1:`port`.

    Raises `Gone` where nothing listens there, `NotReady` where it takes too long.
    """
    try:
        socket.create_connection(("127.0.0.1", port), timeout=timeout_s).close()
    except ConnectionRefusedError as error:
        raise Gone(f"nothing listens on port {port}") from error
    except OSError as error:
        raise NotReady(f"port {port} does not answer: {error}") from error


def expect_ok(url: str, *, timeout_s: float = 3.0) -> bytes:
    """The body of a 2xx answer. Raises `NotReady` for any other."""
    status, body = ask(url, timeout_s=timeout_s)
    if not 200 <= status < 300:
        raise NotReady(f"{url} answers {status}")
    return body


def expect_json(url: str, *, timeout_s: float = 3.0) -> dict[str, Any]:
    body = expect_ok(url, timeout_s=timeout_s)
    try:
        return dict(json.loads(body))
    except ValueError as error:
        raise NotReady(f"{url} does not answer JSON") from error
