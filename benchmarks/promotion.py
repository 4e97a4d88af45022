"""Move the champion again and again under a steady load, on a running system.

    python -m benchmarks.promotion [--moves 20] [--rate 100] [--every-s 12]

Two registered versions take turns. Prints what was seen and a verdict: every answer is 200, every
answer names a version that was champion within the last 10 s, and a move adds less than 25 ms: in
the seconds after it, neither the slowest answer nor the 99th percentile is as much slower than it
is between the moves. Exit code 1 where one of these does not hold.
"""

import argparse
import asyncio
import json
import sys
import time
from bisect import bisect_right
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import numpy as np

from benchmarks.bodies import bundles
from stores.model_registry import CHAMPION, CTR_MODEL, MlflowRegistry
from stores.settings import load_settings

FOLLOWED_WITHIN_S = 10.0
MOST_ADDED_MS = 25.0
CALM_S = 20.0
# Replicas have swapped by then; what is slower before it than after it, the swap has cost.
SWAP_S = 5.0


@dataclass(frozen=True, slots=True)
class Answer:
    """When it was asked (seconds), how long it took, its status and the version that scored it."""

    at: float
    took_ms: float
    status: int
    version: str | None

    @property
    def done_at(self) -> float:
        return self.at + self.took_ms / 1e3


@dataclass(slots=True)
class Run:
    """What happened. `moves` are times and versions, the first one the champion of the start."""

    answers: list[Answer] = field(default_factory=list)
    moves: list[tuple[float, str]] = field(default_factory=list)
    broken: int = 0

    def allowed(self, answer: Answer) -> set[str]:
        """The champions from 10 s before the question until its answer."""
        times = [at for at, _ in self.moves]
        first = max(bisect_right(times, answer.at - FOLLOWED_WITHIN_S) - 1, 0)
        last = bisect_right(times, answer.done_at)
        return {version for _, version in self.moves[first:last]}


class Connection:
    """One HTTP/1.1 connection that is kept open."""

    def __init__(self, url: str) -> None:
        self._host = urlsplit(url)
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(self, path: str, body: bytes) -> tuple[int, bytes]:
        """The status and body of one answer. Raises `OSError` where the connection breaks."""
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host.hostname, self._host.port)
        reader, writer = self._streams
        head = f"POST {path} HTTP/1.1\r\nhost: {self._host.netloc}\r\n"
        head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        try:
            writer.write(head.encode() + body)
            lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in lines[1:] if ": " in line)
            found = await reader.readexactly(int(headers.get("content-length", "0")))
        except (OSError, asyncio.IncompleteReadError) as error:
            writer.close()
            self._streams = None
            raise ConnectionError(str(error)) from error
        return int(lines[0].split(" ")[1]), found


async def ask_steadily(run: Run, url: str, bodies: list[bytes], rate: float, clients: int) -> None:
    """`rate` questions a second from `clients` connections, until cancelled.

    Each has its time; one that comes late counts from when it was due.
    """
    started = time.monotonic()
    turn = iter(range(10**9))

    async def client() -> None:
        connection = Connection(url)
        while True:
            number = next(turn)
            due = started + number / rate
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            try:
                status, body = await connection.post("/api/score", bodies[number % len(bodies)])
            except ConnectionError:
                run.broken += 1
                continue
            took_ms = (time.monotonic() - due) * 1e3
            version = json.loads(body)["models"]["ctr"] if status == 200 else None
            run.answers.append(Answer(due, took_ms, status, version))

    await asyncio.gather(*(client() for _ in range(clients)))


async def move_champion(
    run: Run, registry: MlflowRegistry, versions: list[str], moves: int, every_s: float
) -> None:
    """The versions in turn, by MLflow's own API, as its UI does."""
    for number in range(1, moves + 1):
        version = versions[number % len(versions)]
        run.moves.append((time.monotonic(), version))
        await registry.set_alias(CTR_MODEL, CHAMPION, version)
        await asyncio.sleep(every_s)


async def measure(options: argparse.Namespace) -> Run:
    settings = load_settings()
    url = options.url or f"http://127.0.0.1:{settings.port}"
    bodies = [
        json.dumps(bundle | {"tmax_ms": options.tmax_ms}).encode()
        for bundle in bundles(options.bids)
    ]
    run = Run()
    async with MlflowRegistry(str(settings.mlflow_tracking_uri), timeout_s=30.0) as registry:
        before = await registry.resolve(CTR_MODEL, CHAMPION)
        newest = [each.version for each in await registry.versions(CTR_MODEL)]
        others = [version for version in newest if version != before]
        if before is None or not others:
            raise SystemExit(f"{CTR_MODEL} needs two versions, one of them champion: `adbid train`")
        run.moves.append((time.monotonic() - FOLLOWED_WITHIN_S, before))
        asking = asyncio.create_task(ask_steadily(run, url, bodies, options.rate, options.clients))
        await asyncio.sleep(options.calm_s)
        await move_champion(run, registry, [before, others[0]], options.moves, options.every_s)
        await registry.set_alias(CTR_MODEL, CHAMPION, before)
        asking.cancel()
        await asyncio.gather(asking, return_exceptions=True)
    return run


def report(run: Run, calm_s: float) -> dict[str, Any]:
    """What was seen, and the verdict, as JSON can hold it."""
    first_move = run.moves[1][0]
    calm = [a for a in run.answers if first_move - calm_s / 2 <= a.at < first_move]
    moving = [a for a in run.answers if a.at >= first_move]
    good = [a for a in run.answers if a.status == 200]
    unscored = [a for a in good if a.version is None]
    wrong = [a for a in good if a.version is not None and a.version not in run.allowed(a)]
    after = _quantiles([a for a in moving if _since_move(run, a) < SWAP_S])
    between = _quantiles([a for a in moving if _since_move(run, a) >= SWAP_S])
    added = added_ms(after, between)
    lag = [_followed_after(run, number) for number in range(1, len(run.moves))]
    return {
        "moves": len(run.moves) - 1,
        "answers": len(run.answers),
        "statuses": dict(Counter(answer.status for answer in run.answers)),
        "not_200": len(run.answers) - len(good),
        "broken_connections": run.broken,
        "without_a_model": len(unscored),
        "wrong_version": len(wrong),
        "by_version": dict(Counter(str(answer.version) for answer in good)),
        "followed_after_s": {"median": _median(lag), "largest": max(lag, default=None)},
        "ms_before": _quantiles(calm),
        "ms_after_a_move": after,
        "ms_between_moves": between,
        "ms_added": added,
        "verdict": {
            "every answer is 200": len(good) == len(run.answers) and not run.broken,
            "every answer names a champion of the last 10 s": not wrong and not unscored,
            f"a move adds less than {MOST_ADDED_MS:.0f} ms": added < MOST_ADDED_MS,
        },
    }


def added_ms(after: dict[str, float], between: dict[str, float]) -> float:
    """What a move adds to the 99th percentile or to the slowest answer, whichever is more."""
    if not after or not between:
        return 0.0
    return round(max(0.0, *(after[each] - between[each] for each in ("p99", "max"))), 1)


def _since_move(run: Run, answer: Answer) -> float:
    times = [at for at, _ in run.moves]
    return answer.at - times[bisect_right(times, answer.at) - 1]


def _followed_after(run: Run, number: int) -> float:
    """From a move until the last answer by the version before it; 0 where none followed."""
    at, version = run.moves[number]
    until = run.moves[number + 1][0] if number + 1 < len(run.moves) else float("inf")
    late = [
        answer.at
        for answer in run.answers
        if at <= answer.at and answer.done_at < until and answer.version not in (version, None)
    ]
    return round(max(late, default=at) - at, 2)


def _median(found: list[float]) -> float:
    return round(float(np.median(found)), 2)


def _quantiles(answers: list[Answer]) -> dict[str, float]:
    if not answers:
        return {}
    found = np.quantile([answer.took_ms for answer in answers], (0.5, 0.95, 0.99, 1))
    return dict(zip(("p50", "p95", "p99", "max"), found.round(1).tolist(), strict=True))


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--url", help="the service (default: the running embedded one)")
    parser.add_argument("--moves", type=int, default=20)
    parser.add_argument("--every-s", type=float, default=12.0, help="between moves")
    parser.add_argument("--calm-s", type=float, default=CALM_S, help="before the first move")
    parser.add_argument("--rate", type=float, default=100.0, help="bundles a second")
    parser.add_argument("--clients", type=int, default=16)
    parser.add_argument("--bids", type=int, default=100, help="of each bundle")
    parser.add_argument("--tmax-ms", type=int, default=100, help="deadline of each bundle")
    options = parser.parse_args()
    found = report(asyncio.run(measure(options)), options.calm_s)
    print(json.dumps(found, indent=1))
    return int(not all(found["verdict"].values()))


if __name__ == "__main__":
    sys.exit(main())
