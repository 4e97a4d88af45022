"""The faults. Each acts on a running system under load, and says what it saw beside the load."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import httpx
import psutil
import redis

from tests.chaos.burst import burst
from tests.chaos.load import events
from tests.chaos.system import System, frozen, kill, until
from tests.ipinyou_log import write_log

BURST_CONNECTIONS = 1_500
BURST_S = 5.0
FREEZE_S = 10.0
TRAINING_S = 120.0
ENDED = ("SUCCEEDED", "FAILED", "STOPPED")
# `ray start` would take another address of this host for 127.0.0.1, where nothing listens.
_RAY_ON_LOOPBACK = """
from ray._private import services
services.resolve_ip_for_localhost = lambda host: host
from ray.scripts.scripts import main
main()
"""


# What a client may see of one process of two that dies with its requests in flight, and of an
# ingress that stands still with what it got until both doors had seen that.
IN_FLIGHT, HELD = 3, 30


class NotSeen(Exception):
    """The fault could not be brought about, or did not end as it must; the reason."""


@dataclass(frozen=True, slots=True)
class Fault:
    """At most `failures` requests may fail; None where more is asked than can be served."""

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
        Fault("kill -9 of HAProxy", _kill_haproxy, IN_FLIGHT),
        Fault("kill -9 of the second HAProxy", _kill_second_door, IN_FLIGHT),
        Fault("kill -9 of HAProxy's manager", _kill_manager, IN_FLIGHT),
        *parts,
        Fault("SIGSTOP of Redis for 10 s", _freeze("redis")),
        Fault("SIGSTOP of PostgreSQL for 10 s", _freeze("postgres")),
        Fault("SIGSTOP of one Ingress replica for 10 s", _freeze_replica("Ingress"), HELD),
        Fault("SIGSTOP of one Scoring replica for 10 s", _freeze_replica("Scoring")),
        Fault("Redis flushed", _flush),
        Fault("disk of the artifacts full", _fill_artifacts),
        Fault("a training killed mid-way", _kill_training),
        Fault("clocks of events an hour off", _shift_clocks),
        Fault("a second node joins and is killed", _second_node),
        Fault(f"a burst of {BURST_CONNECTIONS:,} connections for {BURST_S:.0f} s", _burst, None),
    ]


def _kill_haproxy(system: System) -> str:
    kill([p for p in system.named("/haproxy -db ") if p.name().startswith("haproxy")])
    return ""


def _kill_second_door(system: System) -> str:
    kill(system.part("second-door")[-1:])
    return ""


def _kill_manager(system: System) -> str:
    kill(system.named("ray::HAProxyManager"))
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
    return lambda system: _stop_for_a_while(system.part(name))


def _freeze_replica(name: str) -> Callable[[System], str]:
    return lambda system: _stop_for_a_while(system.replicas(name)[:1])


def _stop_for_a_while(found: list[psutil.Process]) -> str:
    with frozen(found):
        time.sleep(FREEZE_S)
    return ""


def _flush(system: System) -> str:
    with redis.Redis.from_url(system.env("REDIS_URL")) as client:
        client.flushall()
    return ""


def _kill_training(system: System) -> str:
    """A night's run, as the scheduler submits it, killed while it fits; the next try of that
    night has to end well."""
    runs = Runs(system)
    first = _submit_night(system)
    if first is None or not until(lambda: "fitting" in runs.of(first)["progress"], 90):
        raise NotSeen(f"it never came to fitting: {runs.of(first)}")
    at = runs.of(first)["progress"]
    kill(system.named("training.nightly"))
    # Ray needs a moment to see that it is dead; the scheduler, which comes again, has time
    tries: list[str | None] = []
    if not until(lambda: tries.append(_submit_night(system)) or tries[-1] is not None, 60):
        raise NotSeen(f"{first} was killed, and the night can't be tried again")
    second = tries[-1]
    if not until(lambda: runs.of(second)["status"] in ENDED, TRAINING_S):
        raise NotSeen(f"{second} still runs after {TRAINING_S:.0f} s: {runs.of(second)}")
    if (second, runs.of(second)["status"]) != (f"{first}-2", "SUCCEEDED"):
        raise NotSeen(f"{second} ended {runs.of(second)}")
    return f"killed while {at}; {second} ended {runs.of(second)['verdict']}"


def _submit_night(system: System) -> str | None:
    """The submission id; None where the night is taken."""
    done = system.adbid("retrain", "--no-wait", "--json")
    return str(json.loads(done.stdout)["submission_id"]) if done.returncode == 0 else None


class Runs:
    """The training runs, as the dashboard reads them."""

    def __init__(self, system: System) -> None:
        token = (system.root / "secrets/admin-key").read_text().strip()
        self._headers = {"Authorization": f"Bearer {token}"}
        self._url = f"http://127.0.0.1:{system.port}/api/training/runs"

    def of(self, submission_id: str | None) -> dict[str, str]:
        """Its status, progress and verdict; empty texts where there is none."""
        runs = httpx.get(self._url, headers=self._headers, timeout=10).json()["items"]
        found = [run for run in runs if run["submission_id"] == submission_id]
        names = ("status", "progress", "verdict")
        return {name: str(found[0][name] or "") if found else "" for name in names}


def _fill_artifacts(system: System) -> str:
    """A training whose artifacts find no room says so and moves no alias; where a small file
    system can be mounted."""
    folder = system.root / "mlruns"
    system.adbid("import", "ipinyou", str(write_log(system.root / "log.csv.gz", 1_000)))
    before = _champions(system)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        raise NotSeen("nothing can be mounted here")
    try:
        # MLflow's client would try again for minutes, and the fit take both cores from the load
        fast = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1", "OPENBLAS_NUM_THREADS": "1"}
        done = system.adbid("train", timeout_s=TRAINING_S, **fast)
    except subprocess.TimeoutExpired:
        raise NotSeen(f"`adbid train` still tries after {TRAINING_S:.0f} s") from None
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=False)
    last = " ".join((done.stdout + done.stderr).split()[-14:])
    said = f"`adbid train` exits with {done.returncode}: ... {last}"
    if done.returncode == 0 or _champions(system) != before:
        raise NotSeen(said)
    return said


def _champions(system: System) -> object:
    """What serves: name to version."""
    return httpx.get(f"http://127.0.0.1:{system.port}/readyz", timeout=10).json()["models"]


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
    command = [sys.executable, "-c", _RAY_ON_LOOPBACK, "start", "--block"]
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
    seen = burst(system.port, BURST_CONNECTIONS, BURST_S)
    served, shed, silent = (seen.statuses[status] for status in (200, 503, 0))
    other = seen.statuses.total() - served - shed - silent
    said = (
        f"{seen.per_s:,.0f} asked a second: {served} served, {shed} shed "
        f"({seen.polite} with Retry-After), {silent} unanswered, {other} other"
    )
    if other or silent or not served or seen.polite < shed:
        raise NotSeen(said)
    return said
