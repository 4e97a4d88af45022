"""The newest change heard of each slot, each partner and of everything: what an answer must have
seen to be believed."""

from collections import OrderedDict

from stores.feature_types import SlotFeatures, SlotKey

# A version matters only until the reads under way when it was heard have ended.
REMEMBERED = 20_000


class Heard:
    """Versions of changes by what they touch; the longest unheard of are forgotten first."""

    def __init__(self) -> None:
        self.everything = 0
        self.times_all = 0
        self._slots: OrderedDict[int, int] = OrderedDict()
        self._partners: OrderedDict[int, int] = OrderedDict()

    def slot(self, slot_id: int, version: int) -> None:
        _note(self._slots, slot_id, version)

    def partner(self, partner_id: int, version: int) -> None:
        _note(self._partners, partner_id, version)

    def all(self, version: int) -> None:
        """Anything may have been written; version 0 where nobody can tell up to when."""
        self.everything = max(self.everything, version)
        self.times_all += 1

    def needed(self, slot: SlotFeatures) -> int:
        """The version that `slot` must have seen."""
        return max(
            self.everything,
            self._slots.get(slot.slot_id, 0),
            self._partners.get(slot.partner.partner_id, 0),
        )

    def at_least(self, key: SlotKey, held: SlotFeatures | None) -> int:
        """The version to ask for; `held` is the row of `key` that is known already."""
        if held is not None:
            needed = self.needed(held)
            return needed if held.version < needed else self.everything
        return max(self.everything, self._slots.get(key, 0) if isinstance(key, int) else 0)


def _note(versions: OrderedDict[int, int], number: int, version: int) -> None:
    versions[number] = max(version, versions.get(number, 0))
    versions.move_to_end(number)
    if len(versions) > REMEMBERED:
        versions.popitem(last=False)
