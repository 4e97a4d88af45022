"""The faults. Each acts on a running system under load, and says what it saw beside the load."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import psutil
import redis

from tests.chaos.load import Pace, bundle, events
from tests.chaos.system import System, frozen, kill, until
from tests.chaos.wire import Answer, Wire
from tests.ipinyou_log import write_log

BURST_CONNECTIONS = 1_500
BURST_S = 5.0
FREEZE_S = 10.0
TRAINING_S = 60.0


# What a client may see of one process of two that dies with its requests in flight.
IN_FLIGHT = 3


class NotSeen(Exception):
    """The fault could not be brought about, or did not end as it must; the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At most `failures` requests may fail; None where nobody could answer them: the only door
    of a host is dead, or more was asked than can be served."""

    name: str
    act: Callable[[System], str]
    failures: int | None = 0


def all_faults() -> list[Fault]:
    """In an order in which each finds the system whole."""
    kills = [
        Fault(f"kill -9 of one {name} replica", _kill_replica(name), IN_FLIGHT)
        for name in ("Ingress", "Scoring", "Features", "Telemetry", "Rollup")
    ]
    parts = [
        Fault(f"kill -9 of {name}", _kill_part(name))
        for name in ("redis", "postgres", "mlflow", "scheduler")
    ]
    return [
        *kills,
        Fault("kill -9 of HAProxy", _kill_haproxy, None),
        *parts,
        Fault("SIGSTOP of Redis for 10 s", _freeze("redis")),
        Fault("SIGSTOP of PostgreSQL for 10 s", _freeze("postgres")),
        Fault("Redis flushed", _flush),
        Fault("a training killed mid-way", _kill_training),
        Fault("disk of the artifacts full", _fill_artifacts),
        Fault("clocks of events an hour off", _shift_clocks),
        Fault("a second node joins and is killed", _second_node),
        Fault(f"a burst of {BURST_CONNECTIONS:,} connections for {BURST_S:.0f} s", _burst, None),
    ]


def _kill_haproxy(system: System) -> str:
    kill([p for p in system.named("haproxy") if p.name().startswith("haproxy")])
    return ""


def _kill_replica(name: str) -> Callable[[System], str]:
    def act(system: System) -> str:
        kill(system.replicas(name)[:1])
        return ""

    return act


def _kill_part(name: str) -> Callable[[System], str]:
    def act(system: System) -> str:
        kill(system.part(name))
        return ""

    return act


def _freeze(name: str) -> Callable[[System], str]:
    def act(system: System) -> str:
        with frozen(system.part(name)):
            time.sleep(FREEZE_S)
        return ""

    return act


def _flush(system: System) -> str:
    with redis.Redis.from_url(system.env("REDIS_URL")) as client:
        client.flushall()
    return ""


def _kill_training(system: System) -> str:
    """By hand over HTTP, as the scheduler does; killed while it fits or judges."""
    token = (system.root / "secrets/admin-key").read_text().strip()
    headers = {"Authorization": f"Bearer {token}"}
    url = f"http://127.0.0.1:{system.port}/api/training/runs"
    answer = httpx.post(url, headers=headers, json={}, timeout=30)
    if answer.status_code != 202:
        raise NotSeen(f"the run was answered {answer.status_code}")
    if not until(lambda: "fitting" in _progress(url, headers), 60):
        raise NotSeen(f"it never came to fitting: {_progress(url, headers)}")
    kill(system.named("training.nightly"))
    return f"killed while {_progress(url, headers)}"


def _progress(url: str, headers: dict[str, str]) -> str:
    """What the newest run says it does."""
    runs = httpx.get(url, headers=headers, timeout=10).json()["items"]
    return str(runs[0]["progress"]) if runs else ""


def _fill_artifacts(system: System) -> str:
    """A training whose artifacts find no room; where a small file system can be mounted."""
    folder = system.root / "mlruns"
    log = write_log(system.root / "log.csv.gz", 3_000)
    system.adbid("import", "ipinyou", str(log))
    size = "size=64k"
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        raise NotSeen("nothing can be mounted here")
    try:
        done = system.adbid("train", timeout_s=TRAINING_S)
    except subprocess.TimeoutExpired:
        return f"`adbid train` still tries after {TRAINING_S:.0f} s"
    else:
        last = (done.stdout + done.stderr).strip().splitlines()[-1:]
        return f"`adbid train` exits with {done.returncode}: {' '.join(last)[:80]}"
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)


def _shift_clocks(system: System) -> str:
    """An hour ahead is refused by event, an hour behind is taken."""
    said = []
    for hours in (1, -1):
        _, body = events(timedelta(hours=hours))
        url = f"http://127.0.0.1:{system.port}/api/events"
        headers = {"content-type": "application/json"}
        answer = httpx.post(url, content=body, headers=headers, timeout=10).json()
        said.append(f"{hours:+d} h: {answer['accepted']} taken, {len(answer['rejected'])} refused")
    return "; ".join(said)


def _second_node(system: System) -> str:
    # The embedded cluster is of one host; a node on the same host may join all the same.
    ray = system.replicas("Ingress")[0].environ() | {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "1"}
    address = system.env("RAY_ADDRESS")
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    command += [f"--address={address}", "--num-cpus=1", "--node-ip-address=127.0.0.1"]
    with (system.home.log("node")).open("wb") as output:
        node = subprocess.Popen(command, env=ray, stdout=output, stderr=output)
    dashboard = f"{system.env('ray_dashboard_url')}/nodes?view=summary"

    def joined() -> bool:
        found = httpx.get(dashboard, timeout=5).json()["data"]["summary"]
        return len([n for n in found if n["raylet"].get("state") == "ALIVE"]) == 2

    came = until(joined, 40)
    for process in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
        process.kill()
    node.wait()
    if not came:
        raise NotSeen("the node did not join")
    return "joined, then killed"


def _burst(system: System) -> str:
    """Far more than can be served: what is not answered with a decision is told to come again."""
    answers = asyncio.run(_burst_answers(system))
    shed = [each for each in answers if each.status == 503]
    served = sum(each.status == 200 for each in answers)
    silent = sum(each.status == 0 for each in answers)
    polite = sum(each.retry_after for each in shed)
    other = len(answers) - served - silent - len(shed)
    said = (
        f"{served} served, {len(shed)} shed ({polite} with Retry-After), "
        f"{silent} unanswered, {other} other"
    )
    if other or polite < len(shed):
        raise NotSeen(said)
    return said


async def _burst_answers(system: System) -> list[Answer]:
    answers: list[Answer] = []
    until_at = time.monotonic() + BURST_S
    body = bundle(1, Pace(0))

    async def client() -> None:
        wire = Wire("127.0.0.1", system.port, 10.0)
        while time.monotonic() < until_at:
            answers.append(await wire.post("/api/score", body))

    await asyncio.gather(*(client() for _ in range(BURST_CONNECTIONS)))
    return answers
