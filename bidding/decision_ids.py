"""Decision ids: UUIDs of version 7, so that an id alone says when its decision was made.

The time in the id *is* `decided_at`, to the millisecond: whoever holds an id knows which day's
partition to look in, and an index on ids is an index on time (RFC 9562, section 5.7).
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

CHANCE_BYTES = 10
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_LARGEST_MS = (1 << 48) - 1
_LATEST_MS = (datetime(9999, 1, 1, tzinfo=UTC) - EPOCH) // _MILLISECOND
_VERSION = 7 << 76
_VARIANT = 2 << 62
_RANDOM_A = 0xFFF << 64
_RANDOM_B = (1 << 62) - 1


def decision_id(at: datetime, chance: bytes) -> UUID:
    """The id of a decision made at `at`; `chance` is 10 random bytes. Times before 1970 read 1970.

    74 of the random bits are used, so a million ids a millisecond meet once in 2**35 times.
    """
    at_ms = min(max((at - EPOCH) // _MILLISECOND, 0), _LARGEST_MS)
    random = int.from_bytes(chance, "big")
    return UUID(int=at_ms << 80 | _VERSION | random & _RANDOM_A | _VARIANT | random & _RANDOM_B)


def decided_at(decision: UUID) -> datetime:
    """When the decision of this id was made; 1970 for an id that is not of version 7."""
    if decision.version != 7:
        return EPOCH
    return EPOCH + min(decision.int >> 80, _LATEST_MS) * _MILLISECOND
