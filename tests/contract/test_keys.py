"""What API keys promise, on PostgreSQL and in memory."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from bidding.errors import Forbidden, InvalidRequest, NotFound, Unauthorized
from stores.audit import Author
from stores.key_types import IssuedKey, Keys, hash_token
from stores.keys import KeyStore
from stores.memory_keys import MemoryKeys
from stores.postgres import Postgres
from stores.publishing import Publisher
from stores.redis_cache import RedisCache

ADMIN = Author("admin")


@pytest.fixture(params=["postgres", "memory"])
async def keys(
    request: pytest.FixtureRequest, postgres_url: str, redis_url: str
) -> AsyncIterator[Keys]:
    if request.param == "memory":
        yield MemoryKeys()
        return
    postgres, redis = Postgres(postgres_url), RedisCache(redis_url)
    yield KeyStore(postgres, Publisher(postgres, redis))
    await redis.aclose()
    await postgres.aclose()


async def test_a_created_key_is_verified_with_its_scopes(keys: Keys) -> None:
    issued = await keys.create("ops laptop", ["view", "ops"], ADMIN)
    record = await keys.verify(issued.token)
    assert (record.id, record.name, record.scopes) == (
        issued.record.id,
        "ops laptop",
        ("ops", "view"),
    )
    record.require("ops")
    with pytest.raises(Forbidden, match="scope ml"):
        record.require("ml")


async def test_a_revoked_key_is_refused_at_once_where_it_was_revoked(keys: Keys) -> None:
    issued = await keys.create("short lived", ["score"], ADMIN)
    await keys.verify(issued.token)
    revoked = await keys.revoke(issued.record.prefix, ADMIN)
    assert revoked.revoked_at is not None
    with pytest.raises(Unauthorized):
        await keys.verify(issued.token)
    assert await keys.revoke(issued.record.prefix, ADMIN) == revoked


async def test_wrong_tokens_are_refused_with_the_same_words(keys: Keys) -> None:
    issued = await keys.create("k", ["view"], ADMIN)
    said = set()
    for token in (
        "",
        "adb_",
        "Bearer x",
        "adb_00000000_" + "0" * 64,
        issued.token[:-1] + ("0" if issued.token[-1] != "0" else "1"),
        issued.token.upper(),
        issued.token + "\0",
        f"adb_{issued.record.prefix}_" + "é" * 64,
    ):
        with pytest.raises(Unauthorized) as caught:
            await keys.verify(token)
        said.add(caught.value.detail)
    assert len(said) == 1


async def test_the_list_names_keys_but_no_secret(keys: Keys) -> None:
    issued = await keys.create("listed", ["ml"], ADMIN)
    listed = await keys.fetch_all()
    assert issued.record.prefix in {record.prefix for record in listed}
    secret = issued.token.rsplit("_", 1)[-1]
    assert secret not in repr(listed)
    assert secret not in repr(issued)


@pytest.mark.parametrize(
    ("name", "scopes"), [("", ["ops"]), ("n", []), ("n", ["root"]), ("n\n", ["ops"])]
)
async def test_a_key_without_name_or_known_scope_is_not_made(
    keys: Keys, name: str, scopes: list[str]
) -> None:
    with pytest.raises(InvalidRequest):
        await keys.create(name, scopes, ADMIN)


async def test_revoking_an_unknown_key_is_not_found(keys: Keys) -> None:
    with pytest.raises(NotFound):
        await keys.revoke("ffffffff", ADMIN)


async def test_only_the_hash_is_kept_and_creation_is_audited(postgres_url: str) -> None:
    postgres = Postgres(postgres_url)
    publisher = Publisher(postgres, RedisCache("redis://127.0.0.1:1/0"))
    issued = await KeyStore(postgres, publisher).create("kept", ["ops"], ADMIN)
    rows = await postgres.fetch("SELECT k::text AS row FROM api_key k")
    audits = await postgres.fetch("SELECT a::text AS row FROM audit_log a WHERE entity = 'api_key'")
    hashes = await postgres.fetch("SELECT hash FROM api_key WHERE id = $1", issued.record.id)
    await publisher.aclose()
    await postgres.aclose()
    secret = issued.token.rsplit("_", 1)[-1]
    assert hashes[0]["hash"] == hash_token(issued.token)
    assert audits
    assert all(secret not in row["row"] for row in [*rows, *audits])


async def test_elsewhere_a_revoked_key_works_no_longer_than_the_cache(postgres_url: str) -> None:
    now = 0.0
    postgres = Postgres(postgres_url)
    publisher = Publisher(postgres, RedisCache("redis://127.0.0.1:1/0"))
    here = KeyStore(postgres, publisher)
    elsewhere = KeyStore(postgres, publisher, clock=lambda: now)
    issued = await here.create("k", ["ops"], ADMIN)
    other = await here.create("other", ["ops"], ADMIN)
    await elsewhere.verify(issued.token)
    await elsewhere.verify(other.token)
    await here.revoke(issued.record.prefix, ADMIN)
    await here.revoke(other.record.prefix, ADMIN)
    elsewhere.forget(other.record.id)  # the change feed told of this one
    with pytest.raises(Unauthorized):
        await elsewhere.verify(other.token)
    now = 4.9
    await elsewhere.verify(issued.token)
    now = 5.0
    with pytest.raises(Unauthorized):
        await elsewhere.verify(issued.token)
    await publisher.aclose()
    await postgres.aclose()


async def test_a_key_seen_lately_still_opens_while_postgres_is_away(postgres_url: str) -> None:
    class Flaky(Postgres):
        away = False

        async def fetch(self, query: str, *arguments: object):  # type: ignore[no-untyped-def]
            if self.away:
                self.breaker.open()
            return await super().fetch(query, *arguments)

    now = 0.0
    postgres = Flaky(postgres_url)
    publisher = Publisher(postgres, RedisCache("redis://127.0.0.1:1/0"))
    keys = KeyStore(postgres, publisher, clock=lambda: now)
    issued = await keys.create("k", ["score"], ADMIN)
    await keys.verify(issued.token)
    postgres.away, now = True, 60.0
    assert (await keys.verify(issued.token)).id == issued.record.id
    await publisher.aclose()
    await postgres.aclose()


class Slow(Postgres):
    """Counts what is asked, and answers while `answers` is set."""

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.answers = asyncio.Event()
        self.asked = 0

    async def fetch(self, query: str, *arguments: object):  # type: ignore[no-untyped-def]
        self.asked += 1
        await self.answers.wait()
        return await super().fetch(query, *arguments)


@dataclass(slots=True)
class SlowKeys:
    """A key store on it, with a clock that stands still."""

    postgres: Slow
    keys: KeyStore = field(init=False)
    now: float = 0.0

    async def a_good_key(self) -> IssuedKey:
        """Verified now; from then on PostgreSQL hangs."""
        issued = await self.keys.create("k", ["score"], ADMIN)
        self.postgres.answers.set()
        await self.keys.verify(issued.token)
        self.postgres.answers.clear()
        self.postgres.asked = 0
        return issued


@pytest.fixture
async def slow(postgres_url: str) -> AsyncIterator[SlowKeys]:
    found = SlowKeys(Slow(postgres_url))
    publisher = Publisher(found.postgres, RedisCache("redis://127.0.0.1:1/0"))
    found.keys = KeyStore(found.postgres, publisher, clock=lambda: found.now)
    yield found
    await found.keys.aclose()
    await publisher.aclose()
    await found.postgres.aclose()


async def test_a_key_in_use_never_waits_for_postgres(slow: SlowKeys) -> None:
    issued = await slow.a_good_key()
    slow.now = 3.0
    for _ in range(5):
        async with asyncio.timeout(0.2):
            await slow.keys.verify(issued.token)
        await asyncio.sleep(0)
    assert slow.postgres.asked == 1  # beside the requests, and once for all of them
    slow.postgres.answers.set()
    await asyncio.sleep(0.2)
    slow.now = 6.0
    await slow.keys.verify(issued.token)
    assert slow.postgres.asked == 2  # the check of 3 s was remembered


async def test_a_key_that_was_good_hardly_waits_for_a_postgres_that_hangs(slow: SlowKeys) -> None:
    issued = await slow.a_good_key()
    slow.now = 100.0
    for wait_s in (5, 0.01, 0.01):  # the first waits a moment, the others know that it hangs
        async with asyncio.timeout(wait_s):
            assert (await slow.keys.verify(issued.token)).id == issued.record.id
    assert slow.postgres.asked == 1


async def test_a_token_that_is_none_is_looked_up_once_in_a_while(slow: SlowKeys) -> None:
    async def refused() -> None:
        with pytest.raises(Unauthorized):
            await slow.keys.verify("adb_0123abcd_" + "9" * 64)

    slow.postgres.answers.set()
    await asyncio.gather(*(refused() for _ in range(20)))
    await refused()
    assert slow.postgres.asked == 1
    slow.now = 3.0
    await refused()
    assert slow.postgres.asked == 2
