"""Which bundles an ingress takes when more come than it can answer in time."""

import pytest

from bidding.errors import Overloaded
from deployments.admission import (
    ANSWER_S,
    CROWD,
    EACH_OTHER_S,
    LONG_WAIT_S,
    MOST_UNDER_WAY,
    Admission,
)

WALL_S = 1_800_000_000.0


class Clock:
    """Both clocks of a process, which go on when told to."""

    def __init__(self) -> None:
        self.now = 50.0

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> float:
        return WALL_S + self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def admission(clock: Clock) -> Admission:
    return Admission(clock.monotonic, clock.wall)


def came(clock: Clock, ago_s: float) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"a"), (b"x-arrived-us", str(int((clock.wall() - ago_s) * 1e6)).encode())]


def test_a_deadline_runs_from_when_the_host_got_the_request(
    admission: Admission, clock: Clock
) -> None:
    assert admission.arrival(came(clock, 0.04)) == pytest.approx(clock.now - 0.04, abs=1e-4)


@pytest.mark.parametrize("ago_s", [-0.5, 3_600.0])
def test_a_clock_that_was_set_is_no_wait(admission: Admission, clock: Clock, ago_s: float) -> None:
    assert admission.arrival(came(clock, ago_s)) == clock.now


@pytest.mark.parametrize("value", [b"", b"soon", b"-1", b"1e9", b"9" * 400])
def test_what_is_no_time_is_passed_over(admission: Admission, clock: Clock, value: bytes) -> None:
    assert admission.arrival([(b"x-arrived-us", value)]) == clock.now


def test_each_bundle_under_way_keeps_back_time_for_its_answer(admission: Admission) -> None:
    with admission.place():
        assert admission.admit(60.0) == pytest.approx(60.0 - ANSWER_S)
        with admission.place(), admission.place():
            assert admission.admit(60.0) == pytest.approx(60.0 - ANSWER_S - 2 * EACH_OTHER_S)
        assert admission.admit(60.0) == pytest.approx(60.0 - ANSWER_S)


def test_a_place_is_free_again_after_a_failure(admission: Admission) -> None:
    for _ in range(MOST_UNDER_WAY + 1):
        with pytest.raises(ZeroDivisionError), admission.place():
            raise ZeroDivisionError


def test_a_late_bundle_is_answered_after_a_pause_and_refused_in_a_queue(
    admission: Admission, clock: Clock
) -> None:
    for _ in range(CROWD - 1):
        admission.arrival(came(clock, 2 * LONG_WAIT_S))
    assert admission.admit(clock.now) < clock.now  # a pause: answered with what there is
    admission.arrival(came(clock, 2 * LONG_WAIT_S))
    with pytest.raises(Overloaded):
        admission.admit(clock.now)
    assert admission.admit(clock.now + 1.0) > clock.now  # who has time is served
    admission.arrival(came(clock, 0.001))
    assert admission.admit(clock.now) < clock.now  # the queue is gone


def test_in_a_queue_a_bundle_needs_the_time_that_one_takes(
    admission: Admission, clock: Clock
) -> None:
    for _ in range(200):
        with admission.place():
            clock.now += 0.05
    for _ in range(CROWD):
        admission.arrival(came(clock, 2 * LONG_WAIT_S))
    with pytest.raises(Overloaded):
        admission.admit(clock.now + 0.04)
    assert admission.admit(clock.now + 0.06) > clock.now
