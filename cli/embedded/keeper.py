"""One thread per part: start it when what it needs is there, and again whenever it dies."""

import subprocess
import threading
import time
import traceback
from collections.abc import Sequence

import psutil
import psycopg

from bidding.errors import AdBidError
from cli.embedded.board import Board
from cli.embedded.errors import Gone, NotReady, PartFailed, TooSlow
from cli.embedded.part import Part
from cli.embedded.state import Phase, Pid

_POLL_S = 0.2
_CHECK_EVERY_S = 5.0
_SILENCE_LIMIT = 12  # checks, a minute: a part that is slow, not dead, is left alone
_GONE_WEIGHT = 6  # a part that does not even listen is given two checks
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 30.0
_STEADY_S = 60.0
_START_ERRORS = (AdBidError, OSError, subprocess.SubprocessError, psycopg.Error, psutil.Error)


class Keeper(threading.Thread):
    """Keeps one part running until `stopping` is set; does not stop the part itself.

    `incarnation` counts how often the part came up; a part starts anew when one that it needs
    did. `error` is what went wrong last.
    """

    def __init__(
        self, part: Part, needs: Sequence["Keeper"], board: Board, stopping: threading.Event
    ) -> None:
        super().__init__(name=f"keep-{part.name}", daemon=True)
        self.part = part
        self.needs = needs
        self.board = board
        self.stopping = stopping
        self.ready = threading.Event()
        self.process: subprocess.Popen[bytes] | None = None
        self.incarnation = 0
        self.failures = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        while self._await_needs():
            seen = self._needed()
            try:
                self._bring_up()
            except Exception as error:  # the boundary of a thread that must outlive its bugs
                if not isinstance(error, _START_ERRORS):
                    traceback.print_exception(error)
                self._note_failure(error)
                continue
            if self.part.once:
                return
            since = time.monotonic()
            reason = self._watch(seen)
            self.ready.clear()
            if self.stopping.is_set():
                return
            if time.monotonic() - since > _STEADY_S:
                self.failures = 0
            self._restart(reason)

    def _await_needs(self) -> bool:
        """Wait until everything needed runs; False when the system stops instead."""
        while not self.stopping.is_set():
            if all(keeper.ready.is_set() for keeper in self.needs):
                return True
            self.stopping.wait(_POLL_S)
        return False

    def _needed(self) -> list[int]:
        return [keeper.incarnation for keeper in self.needs]

    def _bring_up(self) -> None:
        """Start the part and wait until it answers."""
        started = time.monotonic()
        self.board.part(self.part.name, phase="starting", detail="", port=self.part.port)
        self.process = self.part.start()
        if self.process:
            self.board.part(self.part.name, pid=Pid.of(self.process.pid))
        self._await_answer(started)
        self.incarnation += 1
        took = round(time.monotonic() - started, 1)
        phase: Phase = "done" if self.part.once else "running"
        self.board.part(self.part.name, phase=phase, took_s=took, detail="")
        self.ready.set()

    def _await_answer(self, started: float) -> None:
        """Ask ten times a second at first, once a second after ten: each question costs CPU."""
        deadline = started + self.part.ready_within_s
        while not self.stopping.is_set():
            try:
                return self.part.check(self.process)
            except NotReady as error:
                self._check_worth_waiting(error, deadline)
                self.board.part(self.part.name, detail=_short(error))
            self.stopping.wait(min(1.0, 0.1 + (time.monotonic() - started) / 10))
        raise NotReady("the system stops")

    def _check_worth_waiting(self, error: NotReady, deadline: float) -> None:
        code = self.process.poll() if self.process else None
        if code is not None:
            raise PartFailed(self.part.name, f"exited with {code}", self.part.log)
        if time.monotonic() > deadline:
            why = f"no answer after {self.part.ready_within_s:.0f} s ({_short(error)})"
            raise TooSlow(self.part.name, why, self.part.log)

    def _watch(self, seen: list[int]) -> str:
        """Block while the part is well. Returns why it is not, or why that no longer matters."""
        silent, next_check = 0, time.monotonic() + _CHECK_EVERY_S
        while not self.stopping.wait(_POLL_S):
            if self.process and (code := self.process.poll()) is not None:
                return f"exited with {code}"
            if self._needed() != seen:
                if self._lost_with_its_needs():
                    return "what it needs was restarted"
                seen = self._needed()
            if time.monotonic() >= next_check:
                weight = self._silence()
                silent = silent + weight if weight else 0
                next_check = time.monotonic() + _CHECK_EVERY_S
            if silent >= _SILENCE_LIMIT and self.part.kill_when_silent:
                return "did not answer"
        return "the system stops"

    def _lost_with_its_needs(self) -> bool:
        """A process reconnects to a restarted store; what runs inside Ray is lost with Ray."""
        if self.process is not None:
            return False
        try:
            self.part.check(None)
        except AdBidError:
            return True
        return False

    def _silence(self) -> int:
        """How much one check speaks against the part; 0 when it answers."""
        try:
            self.part.check(self.process)
        except AdBidError as error:
            self.board.part(self.part.name, detail=_short(error))
            return _GONE_WEIGHT if isinstance(error, Gone) else 1
        self.board.part(self.part.name, detail="")
        return 0

    def _restart(self, reason: str) -> None:
        restarts = self.board.state.parts[self.part.name].restarts + 1
        self.board.part(self.part.name, phase="restarting", detail=reason, restarts=restarts)
        self._clear_away()
        self._back_off()

    def _note_failure(self, error: BaseException) -> None:
        if self.stopping.is_set():
            return
        self.error = error
        self.board.part(self.part.name, phase="restarting", detail=_short(error))
        self._clear_away()
        self._back_off()

    def take_down(self) -> None:
        """Stop the part for good. Call after the thread has ended."""
        if self.part.once or self.incarnation or self.process:
            self.part.stop(self.process)
            self.process = None
        self.board.part(self.part.name, phase="stopped", pid=None, detail="")

    def _clear_away(self) -> None:
        """End what is left of the part, so that its port and its files are free."""
        if self.process is not None:
            self.part.stop(self.process)
            self.process = None

    def _back_off(self) -> None:
        self.failures += 1
        self.stopping.wait(min(_MAX_BACKOFF_S, _FIRST_BACKOFF_S * 2 ** (self.failures - 1)))


def _short(error: BaseException) -> str:
    return str(error).strip().partition("\n")[0][:200]
