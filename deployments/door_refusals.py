"""What this host's HAProxies refused before a replica saw it (`cli/embedded/haproxy.py`)."""

import asyncio
from collections.abc import Sequence

import aiohttp

TIMEOUT_S = 1.0


class DoorRefusals:
    """Asks each HAProxy at its URL; one that does not answer has refused nothing."""

    def __init__(self, urls: Sequence[str]) -> None:
        self.urls = tuple(urls)
        self._last: dict[str, int] = {}

    async def gained(self) -> int:
        """Refused since this was asked before, nothing at first. An HAProxy that started anew
        counts from zero."""
        timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            found = await asyncio.gather(*(_count(session, url) for url in self.urls))
        return sum(
            self._since(url, count)
            for url, count in zip(self.urls, found, strict=True)
            if count is not None
        )

    def _since(self, url: str, count: int) -> int:
        last = self._last.get(url, count)
        self._last[url] = count
        return count - last if count >= last else count


async def _count(session: aiohttp.ClientSession, url: str) -> int | None:
    try:
        async with session.get(url) as answer:
            return int(await answer.text())
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None
