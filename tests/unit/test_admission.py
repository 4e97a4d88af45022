"""When a bundle came, and how long its models may take."""

import httpx
import pytest
from starlette.applications import Starlette

from deployments.access import Access
from deployments.admission import (
    ANSWER_S,
    EACH_OTHER_S,
    LATE_HALF_LIFE_S,
    MOST_UNDER_WAY,
    Admission,
)
from deployments.door import Door
from stores.memory_keys import MemoryKeys

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
    with admission:
        assert admission.until(60.0) == pytest.approx(60.0 - ANSWER_S)
        with admission, admission:
            assert admission.until(60.0) == pytest.approx(60.0 - ANSWER_S - 2 * EACH_OTHER_S)
        assert admission.until(60.0) == pytest.approx(60.0 - ANSWER_S)


def test_timers_that_ran_late_keep_back_time_for_a_while(
    admission: Admission, clock: Clock
) -> None:
    admission.ran_late(0.02)
    assert admission.until(clock.now + 0.1) == pytest.approx(clock.now + 0.08)
    admission.ran_late(0.01)  # the worst counts
    assert admission.until(clock.now + 0.1) == pytest.approx(clock.now + 0.08)
    clock.now += LATE_HALF_LIFE_S
    assert admission.until(clock.now + 0.1) == pytest.approx(clock.now + 0.09)
    clock.now += 20 * LATE_HALF_LIFE_S
    assert admission.until(clock.now + 0.1) == pytest.approx(clock.now + 0.1 - ANSWER_S)


def test_a_late_timer_leaves_the_models_half_of_the_time(
    admission: Admission, clock: Clock
) -> None:
    admission.ran_late(3.0)
    assert admission.until(clock.now + 0.02) == pytest.approx(clock.now + 0.01)


def test_a_wait_that_ended_in_time_keeps_nothing_back(admission: Admission, clock: Clock) -> None:
    admission.ran_late(-0.5)
    assert admission.until(clock.now + 0.1) == pytest.approx(clock.now + 0.1 - ANSWER_S)


def test_a_place_is_free_again_after_a_failure(admission: Admission) -> None:
    for _ in range(MOST_UNDER_WAY + 1):
        with pytest.raises(ZeroDivisionError), admission:
            raise ZeroDivisionError


async def test_the_score_handler_is_told_when_its_bundle_came(
    admission: Admission, clock: Clock
) -> None:
    told: list[float] = []

    async def score(body: bytes, headers: list[tuple[bytes, bytes]], at: float) -> bytes:
        told.append(at)
        return b"{}"

    access = Access(MemoryKeys(), scoring_open=True)
    door = Door(Starlette(), score, access, admission=admission)
    transport = httpx.ASGITransport(door)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        headers = {name.decode(): value.decode() for name, value in came(clock, 0.02)}
        answer = await client.post("/api/score", json={}, headers=headers)
    assert answer.status_code == 200
    assert told == [pytest.approx(clock.now - 0.02, abs=1e-4)]
