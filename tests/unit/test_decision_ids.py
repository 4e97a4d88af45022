from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

from bidding.decision_ids import CHANCE_BYTES, EPOCH, decided_at, decision_id

NOON = datetime(2026, 11, 23, 12, 0, 0, 123_456, tzinfo=UTC)
CHANCE = bytes(range(CHANCE_BYTES))


def test_an_id_tells_its_time_to_the_millisecond() -> None:
    assert decided_at(decision_id(NOON, CHANCE)) == NOON.replace(microsecond=123_000)


def test_ids_are_of_version_7_and_differ_by_chance() -> None:
    one, other = decision_id(NOON, CHANCE), decision_id(NOON, bytes(CHANCE_BYTES))
    assert one.version == 7
    assert one.variant == other.variant == "specified in RFC 4122"
    assert one != other


def test_later_decisions_have_larger_ids() -> None:
    later = NOON + timedelta(milliseconds=1)
    assert decision_id(later, bytes(CHANCE_BYTES)) > decision_id(NOON, b"\xff" * CHANCE_BYTES)


def test_the_id_of_another_version_tells_no_time() -> None:
    assert decided_at(uuid4()) == EPOCH


def test_a_time_before_1970_reads_1970() -> None:
    assert decided_at(decision_id(datetime(1, 1, 1, tzinfo=UTC), CHANCE)) == EPOCH


def test_the_largest_id_tells_a_time_and_does_not_fail() -> None:
    assert decided_at(UUID("ffffffff-ffff-7fff-bfff-ffffffffffff")).year == 9999
