"""A store that goes or comes back is one line in the log, however often it is looked at."""

from dataclasses import dataclass

from structlog.testing import capture_logs

from deployments.outages import QUIET_S, Outages


@dataclass(slots=True)
class Clock:
    now: float = 100.0

    def __call__(self) -> float:
        return self.now


def told(*looks: tuple[float, set[str]]) -> list[tuple[str, str]]:
    """What is logged when, after so many seconds each, these stores are away."""
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as lines:
        for passed, away in looks:
            clock.now += passed
            outages.see(away)
    return [(line["event"], line["store"]) for line in lines]


def test_an_outage_is_one_line_when_it_begins_and_one_when_it_ends() -> None:
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as lines:
        for _ in range(20):
            clock.now += 0.25
            outages.see({"redis"})
        outages.see(set())
        outages.see(set())
    assert [(line["event"], line["log_level"]) for line in lines] == [
        ("store_away", "warning"),
        ("store_back", "info"),
    ]
    assert lines[1]["away_s"] == 4.8


def test_stores_are_told_apart() -> None:
    found = told((0, {"redis"}), (1, {"redis", "postgres"}), (1, {"postgres"}), (1, set()))
    assert found == [
        ("store_away", "redis"),
        ("store_away", "postgres"),
        ("store_back", "redis"),
        ("store_back", "postgres"),
    ]


def test_a_store_that_flaps_is_told_seldom_and_counted() -> None:
    clock = Clock()
    outages = Outages(clock)
    with capture_logs() as lines:
        for _ in range(12):
            outages.see({"redis"})
            clock.now += 0.5
            outages.see(set())
            clock.now += 0.5
    starts = [line for line in lines if line["event"] == "store_away"]
    assert len(starts) == 2
    assert starts[1]["shorter_ones"] == QUIET_S - 1
    assert len([line for line in lines if line["event"] == "store_back"]) == 2


def test_an_outage_that_was_held_back_is_told_once_it_lasts() -> None:
    looks = [(0, {"redis"}), (1, set()), (1, {"redis"}), *[(1, {"redis"})] * 10, (1, set())]
    assert [each[0] for each in told(*looks)] == ["store_away", "store_back"] * 2
