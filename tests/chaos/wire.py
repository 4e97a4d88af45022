"""A small HTTP/1.1 client: kept connections, one request at a time on each, no waiting in it."""

import asyncio
from collections import deque
from dataclasses import dataclass

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@dataclass(frozen=True, slots=True)
class Answer:
    """Status 0: no answer came."""

    status: int
    body: bytes = b""
    retry_after: bool = False


class Wire:
    """Posts JSON. As HTTP clients do, it repeats what it sent on a kept connection that was closed
    before a byte came back."""

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._place = (host, port)
        self._timeout_s = timeout_s
        self._idle: deque[Connection] = deque()

    async def post(self, path: str, body: bytes) -> Answer:
        try:
            async with asyncio.timeout(self._timeout_s):
                while self._idle:
                    answer = await self._say(self._idle.pop(), path, body)
                    if answer is not None:
                        return answer
                fresh = await asyncio.open_connection(*self._place)
                return await self._say(fresh, path, body) or Answer(0)
        except (OSError, TimeoutError, ValueError, asyncio.IncompleteReadError):
            return Answer(0)

    async def _say(self, connection: Connection, path: str, body: bytes) -> Answer | None:
        """None where the connection was closed before the answer began."""
        reader, writer = connection
        head = (
            f"POST {path} HTTP/1.1\r\nhost: adbid\r\ncontent-type: application/json\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        done = False
        try:
            try:
                writer.write(head.encode() + body)
                first = await reader.readline()
            except ConnectionError:
                return None
            if not first:
                return None
            protocol, _, rest = first.partition(b" ")
            if not protocol.startswith(b"HTTP/"):
                return Answer(0, b"not an answer: " + first[:80])
            answer, keep = await self._read(reader, int(rest.split()[0]))
            done = keep
            return answer
        finally:
            if done:
                self._idle.append(connection)
            else:
                writer.close()

    async def _read(self, reader: asyncio.StreamReader, status: int) -> tuple[Answer, bool]:
        length, keep, retry_after = 0, True, False
        while (line := (await reader.readline()).strip().lower()) != b"":
            name, _, value = line.partition(b":")
            if name == b"content-length":
                length = int(value)
            elif name == b"connection" and b"close" in value:
                keep = False
            elif name == b"retry-after":
                retry_after = True
        return Answer(status, await reader.readexactly(length), retry_after), keep
