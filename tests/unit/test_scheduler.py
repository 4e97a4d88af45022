from datetime import UTC, date, datetime, time

from cli.scheduler import due_night
from stores.training_jobs import hand_id, night_id

AT = time(2, 0)
LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)


def now(day: int, hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, day, hour, minute, tzinfo=UTC)


def test_a_night_is_due_from_its_hour_on() -> None:
    assert due_night(now(24, 2), AT, LONG_AGO) == date(2026, 11, 24)
    assert due_night(now(24, 9), AT, LONG_AGO) == date(2026, 11, 24)


def test_before_the_hour_the_last_night_is_caught_up_only_for_a_while() -> None:
    assert due_night(now(24, 1, 59), AT, LONG_AGO) is None
    assert due_night(now(23, 21, 59), AT, LONG_AGO) == date(2026, 11, 23)


def test_a_new_installation_misses_no_night() -> None:
    assert due_night(now(24, 9), AT, now(24, 8)) is None
    assert due_night(now(25, 2), AT, now(24, 8)) == date(2026, 11, 25)


def test_ids_tell_nights_from_runs_by_hand() -> None:
    assert night_id(date(2026, 11, 24)) == "retrain-2026-11-24"
    assert hand_id(now(24, 9)) == "retrain-2026-11-24-090000"
