"""What the load saw of one fault, held against the targets."""

from dataclasses import dataclass

from tests.chaos.faults import Fault
from tests.chaos.load import Sent

STEADY_S = 2.0
RECOVERY_TARGET_S = 10.0
# Degraded answers of a second that are no fault's: a busy machine misses a deadline now and then.
DEGRADED = 0.2
# Answers after their deadline, outside the second of the fault.
LATE = 0.001


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the load saw from the fault on. `recovered_s` is None where it did not."""

    fault: Fault
    said: str
    sent: list[Sent]
    at: float
    fault_s: float
    tmax_s: float
    not_seen: bool = False

    @property
    def failures(self) -> int:
        return sum(each.status != 200 for each in self.sent)

    @property
    def worst_ms(self) -> float:
        return 1000 * max((each.took_s for each in self.sent), default=0.0)

    @property
    def late_share(self) -> float:
        """Decisions after their deadline, outside the second of the fault."""
        calm = [s for s in self.sent if s.status == 200 and not 0 <= s.at - self.at < 1.0]
        return sum(s.took_s > self.tmax_s for s in calm) / max(len(calm), 1)

    @property
    def recovered_s(self) -> float | None:
        """From the fault's end to the last second with a failure, or with many degraded."""
        bad = [at for at, sent in self._seconds().items() if _is_bad(sent)]
        if not bad:
            return 0.0
        last = max(s.at for s in self.sent)
        if last - max(bad) < STEADY_S:
            return None
        return max(0.0, max(bad) - self.at - self.fault_s)

    def _seconds(self) -> dict[int, list[Sent]]:
        found: dict[int, list[Sent]] = {}
        for each in self.sent:
            found.setdefault(int(each.at), []).append(each)
        return found

    @property
    def missed(self) -> list[str]:
        """The targets that were missed."""
        found = []
        if self.not_seen:
            found.append(self.said)
        if self.fault.failures is not None and self.failures > self.fault.failures:
            found.append(f"{self.failures} failed")
        if self.late_share > LATE:
            found.append(f"{self.late_share:.2%} late")
        recovered = self.recovered_s
        if recovered is None or recovered > RECOVERY_TARGET_S:
            found.append("recovery")
        return found


def _is_bad(second: list[Sent]) -> bool:
    degraded = sum(bool(sent.degraded) for sent in second)
    return any(sent.status != 200 for sent in second) or degraded > DEGRADED * len(second)
