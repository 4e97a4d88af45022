"""The one place where the threads of a supervisor write down how the parts are doing."""

import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from cli.embedded.home import Home
from cli.embedded.state import PartState, SystemPhase, SystemState, write_state


class Board:
    """The system's state, kept on disk too, so that other commands can read it."""

    def __init__(
        self, home: Home, state: SystemState, on_change: Callable[[str, PartState], None]
    ) -> None:
        self._home = home
        self._state = state
        self._on_change = on_change
        self._lock = threading.Lock()
        write_state(home, state)

    @property
    def state(self) -> SystemState:
        return self._state

    def part(self, name: str, **changes: Any) -> None:
        """Change fields of one part's state."""
        with self._lock:
            before = self._state.parts[name]
            after = replace(before, **changes)
            if after == before:
                return
            self._state = self._state.with_part(name, after)
            self._keep()
        if after.phase != before.phase:
            self._on_change(name, after)

    def system(self, phase: SystemPhase, **changes: Any) -> None:
        """Change the phase and other fields of the whole system's state."""
        with self._lock:
            self._state = replace(self._state, phase=phase, **changes)
            self._keep()

    def _keep(self) -> None:
        """A full disk must not end the thread that keeps a part up."""
        with suppress(OSError):
            write_state(self._home, self._state)
