"""uvicorn as an ingress needs it: connections taken many at a time, answers in one write.

Serve makes its HTTP server itself, without a setting for either, so both are set in uvicorn.
"""

import asyncio
import socket
from typing import Any, cast

import uvicorn
from uvicorn.config import HTTP_PROTOCOLS
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# uvloop takes one connection from a listening socket at each turn of the event loop. Under load a
# turn is a few milliseconds, so that the last of thirty new connections waited for 0.1 s.
TAKEN_AT_ONCE = 16
_STATUS_LINE = b"HTTP/1.1 "
_HERE = f"{__name__}:OneWriteProtocol"
_start = uvicorn.Server.startup


def install() -> None:
    """For the HTTP servers that this process starts from now on."""
    HTTP_PROTOCOLS["auto"] = _HERE
    uvicorn.Server.startup = _start_with_manifolds  # type: ignore[method-assign]


async def _start_with_manifolds(
    self: uvicorn.Server, sockets: list[socket.socket] | None = None
) -> None:
    await _start(self, None if sockets is None else manifold(sockets))


def manifold(sockets: list[socket.socket]) -> list[socket.socket]:
    """Each listening socket `TAKEN_AT_ONCE` times: the loop takes one connection of each."""
    others = [one.dup() for one in sockets for _ in range(TAKEN_AT_ONCE - 1)]
    return [*sockets, *others]


class OneWriteProtocol(HttpToolsProtocol):
    """uvicorn's own protocol, with the head of an answer and its body in one write.

    uvicorn writes them apart: HAProxy would wake for the head alone, pass it on, and wake again
    for the body, and so would the client.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast(asyncio.Transport, HeadHolder(transport)))


class HeadHolder:
    """A transport that keeps a response's head until the next write, for at most one turn of the
    event loop; all else is the transport's own."""

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head: bytes | None = None
        self._later: asyncio.Handle | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Send `data`, after the head that is held; a head alone waits."""
        if self._head is not None:
            self._transport.writelines((self._take(), data))
        elif data.startswith(_STATUS_LINE):
            self._head = data
            self._later = asyncio.get_running_loop().call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """Close when all is sent."""
        self._flush()
        self._transport.close()

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Hand the connection over, as to a WebSocket's protocol."""
        self._flush()
        self._transport.set_protocol(protocol)

    def _flush(self) -> None:
        if self._head is not None:
            self._transport.write(self._take())

    def _take(self) -> bytes:
        head, later = self._head, self._later
        self._head = self._later = None
        if later is not None:
            later.cancel()
        return head or b""
