"""`python -m cli.scheduler`: submits the nightly retraining at its hour, and catches up.

The night's submission id makes a second submission harmless, whoever sends it; a machine that
slept through the hour submits when it wakes. A run that was killed is found out by asking Ray, and
tried once more under the night's id with -2.
"""

import os
import signal
import sys
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import structlog
from apscheduler.schedulers.blocking import BlockingScheduler
from apscheduler.triggers.cron import CronTrigger
from apscheduler.triggers.interval import IntervalTrigger

from bidding.errors import Conflict, StoreUnavailable
from cli.embedded.state import write_private
from stores import training_jobs
from stores.settings import Settings, load_settings
from stores.training_runs import RunBook
from training.spec import load_spec

CATCH_UP_MINUTES = 10
# A night may be caught up for so long; then the next one is near enough.
CATCH_UP_FOR = timedelta(hours=20)
log = structlog.get_logger(__name__)


def due_night(now: datetime, at: time, installed_at: datetime) -> date | None:
    """The night whose hour has come and is not too long ago; none from before the installation."""
    tonight = datetime.combine(now.date(), at, UTC)
    last = tonight if now >= tonight else tonight - timedelta(days=1)
    if last < installed_at or now - last > CATCH_UP_FOR:
        return None
    return last.date()


def submit_due(at: time, installed_at: datetime) -> None:
    """Close runs that were killed, and submit the night that is due, unless it was or failed too
    often. A failure is logged; the next try comes."""
    settings = load_settings()
    night = due_night(datetime.now(UTC), at, installed_at)
    if settings.database_url is None:
        return
    try:
        _tend(settings, RunBook(settings.database_url), night)
    except Conflict as error:
        log.info("retraining_waits", reason=error.detail)
    except StoreUnavailable as error:
        log.warning("retraining_waits", reason=error.detail)


def _tend(settings: Settings, book: RunBook, night: date | None) -> None:
    attempts = load_spec().nightly.attempts
    if book.unfinished():
        for lost in training_jobs.reconcile(book, training_jobs.client_of(settings)):
            log.warning("retraining_lost", submission_id=lost)
    if night is None or book.is_done(training_jobs.night_id(night), attempts):
        return
    done = training_jobs.submit(settings, night=night, attempts=attempts)
    log.info("retraining_submitted", submission_id=done.submission_id)


def main() -> int:
    """Run until a signal ends it."""
    at = time.fromisoformat(load_spec().nightly.at_utc)
    installed_at = _installed_at(load_settings().home)
    scheduler = BlockingScheduler(timezone=UTC)
    for trigger in (
        CronTrigger(hour=at.hour, minute=at.minute, timezone=UTC),
        IntervalTrigger(minutes=CATCH_UP_MINUTES),
    ):
        scheduler.add_job(
            submit_due,
            trigger,
            args=[at, installed_at],
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: scheduler.shutdown(wait=False))
    log.info("scheduler_started", at_utc=at.isoformat())
    submit_due(at, installed_at)
    scheduler.start()
    return 0


def _installed_at(home: Path) -> datetime:
    """When this home was made: nights from before it are not missing."""
    mark = home / "installed_at"
    with suppress(FileNotFoundError, ValueError):  # a full disk may have left it empty
        return datetime.fromisoformat(mark.read_text(encoding="utf-8"))
    now = datetime.now(UTC)
    mark.parent.mkdir(parents=True, exist_ok=True)
    write_private(mark, now.isoformat())
    return now


if __name__ == "__main__":
    os.nice(5)
    sys.exit(main())
