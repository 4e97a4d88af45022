"""What chaos and soak call a miss: the programs that judge must be able to find against us."""

import pytest

from tests.chaos.faults import Fault
from tests.chaos.footprint import Held, role_of
from tests.chaos.load import Sent
from tests.chaos.outcome import Outcome
from tests.chaos.report import markdown_of
from tests.chaos.soak import Sample, growths

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
    pairs = zip(own, descriptors, strict=True)
    held = [{"Ingress": Held(mb << 20, f)} for mb, f in pairs]
    return [Sample(AT + n, each, pace_ms=7.0) for n, each in enumerate(held)]


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
    sent = [Sent(AT + n / 10, 0.005, 200, "") for n in range(90)]
    found = growths(samples(own, descriptors), sent, AT, 9.0)
    assert [each.name for each in found if not each.is_flat] == grown


def test_processes_are_told_apart_by_what_they_are() -> None:
    assert role_of("ray::ServeRepli", ["ray::ServeReplica:adbid:Ingress.handle"]) == "Ingress"
    assert role_of("python", ["/x/python", "-m", "cli.scheduler"]) == "cli.scheduler"
    assert role_of("redis-server", ["/x/redis-server", "127.0.0.1:7"]) == "redis-server"
