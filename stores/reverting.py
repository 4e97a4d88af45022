"""What undoing one write means, given the row as it is now. Pure."""

from typing import Any

from bidding.errors import Conflict
from stores.nouns import NOUNS
from stores.records import AuditRecord, Draft

# What the store itself sets: neither changed by a caller nor brought back.
_STORES_OWN = {"id", "version", "created_at", "updated_at"}


def revertible_noun(entry: AuditRecord) -> str:
    """The noun of the entry. Raises `Conflict` for what has no undo (keys, models, seeds)."""
    if entry.entity not in NOUNS or (entry.before is None and entry.after is None):
        raise Conflict(f"audit entry {entry.id} ({entry.entity} {entry.action}) can't be undone")
    return entry.entity


def restored_draft(entry: AuditRecord, current: dict[str, Any] | None) -> Draft | None:
    """What the row must become so that this one write is undone; `None`: deleted.

    Only the fields that the write changed go back, so later writes of other fields stay.
    `current` is the row now, as JSON; `None` where there is none. Raises `Conflict` where a
    later write changed the same fields, or the row is gone or back already.
    """
    noun = NOUNS[revertible_noun(entry)]
    if entry.before is None:
        if current is None:
            raise Conflict(f"{entry.entity} {entry.entity_id} is deleted already")
        _check_untouched(entry, current, _editable(entry.after or {}))
        return None
    if entry.after is None:
        if current is not None:
            raise Conflict(f"{entry.entity} {entry.entity_id} is there already")
        return noun.draft.model_validate(_editable(entry.before))
    if current is None:
        raise Conflict(f"{entry.entity} {entry.entity_id} was deleted since")
    before, after = _editable(entry.before), _editable(entry.after)
    changed = {name: value for name, value in before.items() if after.get(name) != value}
    _check_untouched(entry, current, {name: after.get(name) for name in changed})
    return noun.draft.model_validate(_editable(current) | changed)


def _check_untouched(entry: AuditRecord, current: dict[str, Any], written: dict[str, Any]) -> None:
    newer = sorted(name for name, value in written.items() if current.get(name) != value)
    if newer:
        raise Conflict(
            f"{', '.join(newer)} of {entry.entity} {entry.entity_id} changed again since audit"
            f" entry {entry.id}; undo the later change first"
        )


def _editable(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _STORES_OWN}
