"""The keys' in-memory twin."""

import hmac
from collections.abc import Iterable
from datetime import UTC, datetime

from bidding.errors import NotFound
from stores.audit import Author
from stores.key_types import (
    IssuedKey,
    KeyRecord,
    checked_name,
    checked_scopes,
    hash_token,
    new_token,
    prefix_of,
    refused,
)


class MemoryKeys:
    """`stores.key_types.Keys` over a dictionary."""

    def __init__(self) -> None:
        self._keys: dict[str, tuple[bytes, KeyRecord]] = {}

    async def create(self, name: str, scopes: Iterable[str], author: Author) -> IssuedKey:
        name, granted = checked_name(name), checked_scopes(scopes)
        token = new_token()
        record = KeyRecord(
            id=len(self._keys) + 1,
            name=name,
            prefix=prefix_of(token),
            scopes=granted,
            created_at=datetime.now(UTC),
        )
        self._keys[record.prefix] = (hash_token(token), record)
        return IssuedKey(record, token)

    async def fetch_all(self) -> list[KeyRecord]:
        return [record for _, record in self._keys.values()]

    async def revoke(self, prefix: str, author: Author) -> KeyRecord:
        if prefix not in self._keys:
            raise NotFound(f"there is no key with prefix {prefix!r}")
        hashed, record = self._keys[prefix]
        if record.revoked_at is None:
            record = record.model_copy(update={"revoked_at": datetime.now(UTC)})
            self._keys[prefix] = (hashed, record)
        return record

    async def verify(self, token: str) -> KeyRecord:
        stored, record = self._keys.get(prefix_of(token), (bytes(32), None))
        if not hmac.compare_digest(stored, hash_token(token)):
            raise refused()
        if record is None or record.revoked_at is not None:
            raise refused()
        return record
