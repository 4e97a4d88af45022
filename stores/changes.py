"""What was changed, as replicas hear of it: on PostgreSQL's NOTIFY and on a Redis channel.

Each write takes the next number of `engine_state.version` in its own transaction. The row lock
makes commit order and version order the same, so "newer" can be told by the number alone.
"""

import json
from dataclasses import asdict, dataclass

POSTGRES_CHANNEL = "adbid_changed"
REDIS_CHANNEL = "adbid:changed"
EVERYTHING = "*"

_ANNOUNCE = """
    WITH bumped AS (UPDATE engine_state SET version = version + 1 RETURNING version)
    SELECT version, pg_notify('adbid_changed',
        json_build_object('entity', {0}::text, 'id', {1}::bigint, 'version', version)::text)
    FROM bumped
"""
# Takes the next version and tells PostgreSQL's listeners at commit: parameters entity and id.
ANNOUNCE_ASYNCPG = _ANNOUNCE.format("$1", "$2")
ANNOUNCE_PSYCOPG = _ANNOUNCE.format("%s", "%s")


@dataclass(frozen=True, slots=True)
class Change:
    """One committed write: entity (a table's name, or `*` for all), its id (0 for all), version."""

    entity: str
    id: int
    version: int

    def encode(self) -> str:
        return json.dumps(asdict(self))


def decode_change(payload: str | bytes) -> Change | None:
    """The change a message carries; `None` when it is not one of ours."""
    try:
        fields = json.loads(payload)
        return Change(str(fields["entity"]), int(fields["id"]), int(fields["version"]))
    except (ValueError, TypeError, KeyError):
        return None
