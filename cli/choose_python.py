"""`make`'s choice of a Python: prints the path of the one that everything is to run on.

The first that fits, unless another does the same work in four fifths of the time. A Python built
without the compiler's profiles, as pyenv builds it unless told otherwise, takes a third longer in
the interpreter, and the service answers fewer bundles a second (docs/performance.md). Runs on any
Python 3, before anything is installed.
"""

import subprocess
import sys
import time

LEAST, MOST = (3, 11), (3, 13)
CLEARLY_FASTER = 0.8
_PACE = "--pace"


class Offer:
    """The way an event loop's work goes: an object for each bid, a dict, strings, a sort."""

    __slots__ = ("amount", "brand")

    def __init__(self, brand: int, amount: float) -> None:
        self.brand = brand
        self.amount = amount


def work() -> None:
    """Some milliseconds of the interpreter."""
    offers = [Offer(number, number * 0.5) for number in range(2_000)]
    for _ in range(10):
        best = {}
        for offer in offers:
            best[offer.brand % 97] = offer.amount + len(str(offer.brand))
        sorted([(offer.amount, offer.brand) for offer in offers])


def pace_ms() -> float:
    """The least time of eight."""
    took = []
    for _ in range(8):
        started = time.perf_counter()
        work()
        took.append((time.perf_counter() - started) * 1000)
    return min(took)


def own_pace() -> int:
    """Print this Python's pace and path, where it fits and can make an environment."""
    if not LEAST <= sys.version_info[:2] <= MOST:
        return 1
    __import__("ensurepip")  # Debian has it in a package of its own
    print(pace_ms(), sys.executable)
    return 0


def ask(candidate: str) -> "tuple[float, str] | None":
    """Its pace and path; None where it is not there or does not fit."""
    try:
        done = subprocess.run(
            [candidate, __file__, _PACE], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        )
    except OSError:
        return None
    if done.returncode:
        return None
    pace, path = done.stdout.decode().strip().split(" ", 1)
    return float(pace), path


def choose(found: "list[tuple[float, str]]") -> str:
    """The first, or the fastest where that is clearly faster than the first."""
    first, fastest = found[0], min(found)
    return (fastest if fastest[0] < first[0] * CLEARLY_FASTER else first)[1]


def main(arguments: "list[str]") -> int:
    """Of the candidates named, the one to take."""
    if arguments == [_PACE]:
        return own_pace()
    found = [each for each in map(ask, arguments) if each is not None]
    if not found:
        return 1
    print(choose(found))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
