"""Wrong keys are counted by all ingresses together, and by each alone while Redis is away."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from stores.sign_ins import RedisSignIns
from tests.servers import RedisProcess

BURST = 3


@pytest.fixture
async def ingresses(own_redis: RedisProcess) -> AsyncIterator[list[RedisSignIns]]:
    found = [RedisSignIns(own_redis.url, BURST) for _ in range(2)]
    yield found
    for each in found:
        await each.aclose()


async def test_what_one_ingress_counts_blocks_at_the_other(ingresses: list[RedisSignIns]) -> None:
    one, other = ingresses
    await one.failed("1.2.3.4")
    await other.failed("1.2.3.4")
    assert not await one.blocked("1.2.3.4")
    await other.failed("1.2.3.4")
    assert await one.blocked("1.2.3.4")
    assert await other.blocked("1.2.3.4")
    assert not await one.blocked("1.2.3.5")
    await asyncio.sleep(1.1)  # a second empties the bucket by one
    assert not await one.blocked("1.2.3.4")
    assert not await other.blocked("1.2.3.4")


async def test_each_counts_alone_while_redis_is_away(
    ingresses: list[RedisSignIns], own_redis: RedisProcess
) -> None:
    one, other = ingresses
    await one.failed("9.9.9.9")
    own_redis.kill()
    try:
        for _ in range(BURST - 1):
            await one.failed("9.9.9.9")
        assert await one.blocked("9.9.9.9")
        assert not await other.blocked("9.9.9.9")
    finally:
        own_redis.start()
