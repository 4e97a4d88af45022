"""What chaos and soak call a miss: the programs that judge must be able to find against us."""

import pytest

from tests.chaos.faults import Fault
from tests.chaos.footprint import Held, role_of
from tests.chaos.load import Sent
from tests.chaos.outcome import Outcome
from tests.chaos.report import markdown_of
from tests.chaos.soak import Sample, Stretch, alike_growth, growths, stretches

AT = 1_000.0


def seen(*changed: Sent, failures: int | None = 0, fault_s: float = 0.0) -> Outcome:
    """100 good answers a second from 2 s before the fault to 14 s after it, but for `changed`."""
    good = [Sent(AT - 2 + n / 100, 0.005, 200, "") for n in range(1_600)]
    times = {each.at for each in changed}
    sent = [each for each in good if each.at not in times] + list(changed)
    fault = Fault("kill -9 of it", lambda _: "", failures)
    return Outcome(fault, "", sent, AT, fault_s, 0.1)


def bad(at_s: float, status: int = 503) -> Sent:
    return Sent(AT + at_s, 0.002, status, "")


def late(at_s: float) -> Sent:
    return Sent(AT + at_s, 0.2, 200, "")


@pytest.mark.parametrize(
    ("outcome", "missed"),
    [
        (seen(), []),
        (seen(bad(0.1)), ["1 failed"]),
        (seen(bad(0.1), failures=3), []),
        (seen(bad(0.1), failures=None), []),
        (seen(late(0.5), late(0.6)), []),  # in the second of the fault
        (seen(late(3.5), late(4.5)), ["0.13% late"]),
        (seen(late(3.5), late(4.5), failures=None), ["0.13% late"]),
        (seen(bad(11.5), failures=None), ["recovery"]),
        (seen(bad(11.5), failures=None, fault_s=10.0), []),
        (seen(bad(13.5), failures=None, fault_s=10.0), ["recovery"]),  # it never became steady
    ],
)
def test_a_target_that_was_missed_is_named(outcome: Outcome, missed: list[str]) -> None:
    assert outcome.missed == missed


def test_the_table_in_markdown_has_a_row_for_each_fault() -> None:
    rows = markdown_of([seen(), seen(bad(0.1))], "All found.").splitlines()
    assert rows[0].startswith("| fault | requests | failed |")
    assert rows[2] == "| kill -9 of it | 1,600 | 0 | 0 | 5 ms | 0.00% | at once |  |"
    assert rows[3].endswith("MISSED: 1 failed |")
    assert rows[-1] == "All found."
    assert {row.count("|") for row in rows[:4]} == {9}


def samples(own: list[int], descriptors: list[int]) -> list[Sample]:
    held = [{"Ingress": Held(mb << 20, f)} for mb, f in zip(own, descriptors, strict=True)]
    return [Sample(AT + n, each, load_s=n) for n, each in enumerate(held)]


def steady(took_s: float = 0.005) -> list[Sent]:
    return [Sent(AT + n / 10, took_s, 200, "") for n in range(90)]


@pytest.mark.parametrize(
    ("own", "descriptors", "grown"),
    [
        ([200] * 9, [80] * 9, []),
        ([200, 200, 200, 205, 205, 205, 209, 209, 209], [80] * 9, []),
        ([200, 200, 200, 206, 206, 206, 212, 212, 212], [80] * 9, ["Ingress memory, MB"]),
        ([200] * 9, [80, 80, 80, 85, 85, 85, 90, 90, 90], ["Ingress descriptors"]),
    ],
)
def test_what_grows_is_not_flat(own: list[int], descriptors: list[int], grown: list[str]) -> None:
    found = growths(samples(own, descriptors), steady(), AT, 9.0)
    assert [each.name for each in found if not each.is_flat] == grown


@pytest.mark.parametrize(
    ("p99_ms", "cost_ms", "flat"),
    [
        ([10.0] * 30, [3.0] * 30, True),
        ([10.0] * 20 + [13.0] * 10, [3.0] * 30, False),
        ([10.0] * 20 + [13.0] * 10, [3.0, 3.5] * 15, False),
        ([10.0, 20.0] * 15, [3.0, 4.0] * 15, True),
        ([10.0] * 5 + [20.0] * 25, [3.0] * 5 + [4.0] * 25, True),  # a slower machine
    ],
)
def test_a_p99_is_compared_where_the_machine_is_as_fast(
    p99_ms: list[float], cost_ms: list[float], flat: bool
) -> None:
    found = [Stretch(*each) for each in zip(p99_ms, cost_ms, strict=True)]
    growth = alike_growth(found)
    assert growth is not None
    assert growth.is_flat is flat


def test_a_machine_that_was_never_as_fast_again_tells_nothing_of_the_system() -> None:
    assert alike_growth([Stretch(10.0, 3.0)] * 10 + [Stretch(20.0, 4.0)] * 20) is None


def test_a_p99_that_grew_in_the_whole_is_not_flat_however_slow_the_machine() -> None:
    slower = [Sent(each.at, 0.005 if each.at < AT + 6 else 0.01, 200, "") for each in steady()]
    found = growths(samples([200] * 9, [80] * 9), slower, AT, 9.0)
    assert "p99 ms" in [each.name for each in found if not each.is_flat]


def test_a_stretch_tells_what_was_asked_in_it() -> None:
    bundles = steady()
    bundles[15] = Sent(AT + 1.5, 0.2, 200, "")
    found = list(stretches(samples([200] * 9, [80] * 9), bundles))
    assert [round(each.cost_ms) for each in found] == [100] * 8
    assert [each.p99_ms for each in found] == [5.0] * 8
    slow = list(stretches(samples([200] * 9, [80] * 9), steady(0.2)))
    assert [each.p99_ms for each in slow] == [200.0] * 8


def test_processes_are_told_apart_by_what_they_are() -> None:
    assert role_of("ray::ServeRepli", ["ray::ServeReplica:adbid:Ingress.handle"]) == "Ingress"
    assert role_of("python", ["/x/python", "-m", "cli.scheduler"]) == "cli.scheduler"
    assert role_of("redis-server", ["/x/redis-server", "127.0.0.1:7"]) == "redis-server"
