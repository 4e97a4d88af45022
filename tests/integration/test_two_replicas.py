"""A saved change is live in every replica within a second, and no bundle sees a mixture."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from stores.audit import Author
from stores.key_types import SCOPES
from stores.open_keys import open_keys
from stores.settings import Settings
from tests.live_service import live_service

LIVE_WITHIN_S = 1.0
AMOUNT = 1_000.0


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: when it was asked for, who gave it, and each bid's multiplier."""

    asked_at: float
    url: str
    multipliers: frozenset[float]


class Watcher:
    """Asks every replica all the time; two brands of one strategy bid, so a mixture would show."""

    def __init__(self, urls: list[str], brand_ids: list[int]) -> None:
        self.seen: list[Seen] = []
        self._urls = urls
        # a CPM bid's value is its amount times the multiplier: quality does not move it
        self._body = {
            "slot_id": 7,
            "tmax_ms": 5_000,
            "bids": [
                {"bid_id": str(i), "brand_id": i, "pricing_model": "CPM", "amount": AMOUNT}
                for i in brand_ids
            ],
        }

    async def watch(self, seconds: float) -> None:
        """Ask each replica in turn, with a connection for each answer."""
        await asyncio.gather(*(self._ask(url, time.monotonic() + seconds) for url in self._urls))

    async def _ask(self, url: str, until: float) -> None:
        async with httpx.AsyncClient(timeout=10) as client:
            while time.monotonic() < until:
                asked_at = time.monotonic()
                answer = await client.post(
                    f"{url}/api/score", json=self._body, headers={"Connection": "close"}
                )
                answer.raise_for_status()
                vpis = [result["vpi"] for result in answer.json()["results"]]
                self.seen.append(Seen(asked_at, url, frozenset(round(v, 6) for v in vpis)))


async def save(url: str, token: str, multiplier: float) -> float:
    """Change the strategy `Balanced` over HTTP; answers when it was saved."""
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    async with httpx.AsyncClient(timeout=10, headers=headers) as client:
        page = (await client.get(f"{url}/strategies", params={"name": "Balanced"})).json()
        row = page["items"][0]
        fields = {name: row[name] for name in ("name", "priority")}
        body: dict[str, Any] = fields | {"vpi_multiplier": multiplier}
        answer = await client.put(f"{url}/strategies/{row['id']}", json=body)
        answer.raise_for_status()
    return time.monotonic()


async def balanced_brands(url: str, token: str) -> list[int]:
    """Two new brands of the strategy `Balanced`."""
    async with httpx.AsyncClient(headers={"Authorization": f"Bearer {token}"}) as client:
        page = (await client.get(f"{url}/strategies", params={"name": "Balanced"})).json()
        made = []
        for number in (1, 2):
            key = f"switch-{number}-{time.monotonic_ns()}"
            body = {"external_key": key, "name": key, "strategy_id": page["items"][0]["id"]}
            answer = await client.post(f"{url}/brands", json=body)
            answer.raise_for_status()
            made.append(answer.json()["id"])
    return made


async def switch(urls: list[str], token: str, before: float, after: float) -> list[float]:
    """Save `after` while everybody is asked; answers how late each replica's last old answer was.

    Raises AssertionError where an answer mixes both, or is old after `LIVE_WITHIN_S`.
    """
    brand_ids = await balanced_brands(urls[0], token)
    await save(urls[0], token, before)
    await asyncio.sleep(LIVE_WITHIN_S)
    watcher = Watcher(urls, brand_ids)
    watching = asyncio.create_task(watcher.watch(3 * LIVE_WITHIN_S))
    await asyncio.sleep(LIVE_WITHIN_S)
    saved_at = await save(urls[0], token, after)
    await watching
    assert {seen.multipliers for seen in watcher.seen} == {
        frozenset({round(before, 6)}),
        frozenset({round(after, 6)}),
    }
    old = frozenset({round(before, 6)})
    late = [
        max(seen.asked_at for seen in watcher.seen if seen.url == url and seen.multipliers == old)
        - saved_at
        for url in dict.fromkeys(urls)
    ]
    assert max(late) < LIVE_WITHIN_S, late
    return late


@pytest.fixture
async def replicas(postgres_url: str, redis_url: str) -> AsyncIterator[list[str]]:
    with ExitStack() as stack:
        yield [stack.enter_context(live_service(postgres_url, redis_url)) for _ in range(2)]


async def reasons(urls: list[str], slot: str) -> list[str | None]:
    """What each replica says of one CPM bid on the slot, in order."""
    bid = {"bid_id": "b", "brand_id": 3, "pricing_model": "CPM", "amount": AMOUNT}
    body = {"slot": slot, "tmax_ms": 5_000, "bids": [bid]}
    async with httpx.AsyncClient(timeout=10) as client:
        answers = [await client.post(f"{url}/api/score", json=body) for url in urls]
    return [answer.raise_for_status().json()["results"][0]["reason"] for answer in answers]


async def seconds_until(urls: list[str], slot: str, reason: str | None) -> float:
    """How long after now every replica says `reason`, and keeps to it."""
    started = time.monotonic()
    while await reasons(urls, slot) != [reason] * len(urls):
        assert time.monotonic() - started < LIVE_WITHIN_S
    live = time.monotonic() - started
    for _ in range(5):
        assert await reasons(urls, slot) == [reason] * len(urls)
    return live


async def test_a_saved_slot_and_a_saved_partner_are_live_in_both_replicas_within_a_second(
    replicas: list[str], postgres_url: str, redis_url: str
) -> None:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)
    async with open_keys(settings) as keys:
        token = (await keys.create("slots", SCOPES, Author("test"))).token
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    async with httpx.AsyncClient(base_url=replicas[0], headers=headers, timeout=10) as client:
        name = {"external_key": "live-partner", "name": "Live"}
        partner = (await client.post("/partners", json=name)).raise_for_status().json()
        body = {"external_key": "live-slot", "name": "Live", "partner_id": partner["id"]}
        slot = (await client.post("/slots", json=body)).raise_for_status().json()
        assert await reasons(replicas, "live-slot") == [None, None]
        for path, fields, paused in (
            (f"/slots/{slot['id']}", body, "SLOT_PAUSED"),
            (f"/partners/{partner['id']}", name, "PARTNER_PAUSED"),
        ):
            for change, reason in ((True, paused), (False, None)):
                saved = await client.put(path, json=fields | {"paused": change})
                saved.raise_for_status()
                live = await seconds_until(replicas, "live-slot", reason)
                print(f"{path} paused={change}: live after {1000 * live:.0f} ms")


async def test_a_saved_change_is_live_in_both_replicas_within_a_second(
    replicas: list[str], postgres_url: str, redis_url: str
) -> None:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)
    async with open_keys(settings) as keys:
        token = (await keys.create("switch", SCOPES, Author("test"))).token
    late = await switch(replicas, token, 1.0, 1.5)
    print(f"last old answer after the save: {[f'{1000 * each:.0f} ms' for each in late]}")
