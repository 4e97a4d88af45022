"""`make bench`: ours against peers on this machine, in one run, as ratios.

Every service gets the same bodies and must rank each alike before it is timed. Rounds are
interleaved and medians taken, so that a noisy neighbour hits all of them. Absolute figures hold
for this machine only.
"""

import argparse
import json
import statistics
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import load, services, workload
from benchmarks.bodies import bundles, write_wrk_script
from benchmarks.load import Load
from benchmarks.machine import Machine, commit, processor_and_memory, versions
from benchmarks.services import Service
from stores.settings import PROJECT_ROOT
from tests.folders import open_folder

RESULTS = PROJECT_ROOT / "benchmarks" / "results"
BIDS = 100
OURS, DEFAULTS, PEER = "ours", "ours on Serve defaults", "FastAPI, pydantic"
MANY, SOME, ONE = 32, 8, 1
CHECKED = 16
PORT = 21_000
# The floor is a sixth of our rank's values: ties in float32 may fall either way.
TIE = 1e-6


def main() -> None:
    """Start all, check, time, print, keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--no-defaults", action="store_true", help="leave Serve's defaults out")
    given = parser.parse_args()
    with open_folder("bench") as scratch:
        found = _measure(scratch, given.rounds, given.seconds, defaults=not given.no_defaults)
    found |= {"machine": processor_and_memory(), "versions": versions(), "commit": commit()}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{datetime.now(UTC):%Y-%m-%d}.json"
    path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    print(table(found))
    print(f"kept in {path.relative_to(PROJECT_ROOT)}")


def _measure(scratch: Path, rounds: int, seconds: float, *, defaults: bool) -> dict[str, Any]:
    scratch.chmod(0o755)
    booster = workload.fit()
    booster.save_model(scratch / "peer.ubj")
    bodies = bundles(BIDS)
    running: list[Service] = []
    machine = Machine()
    try:
        ours = services.up(OURS, scratch / "home", PORT)
        running.append(ours)
        _prepare(scratch / "home", booster, scratch / "models")
        running += _peers(scratch)
        for service in running:
            _until_scored(service)
        expected = _ranking(running[1], bodies)
        for service in running:
            _check(service, bodies, expected)
            write_wrk_script(
                script_of(scratch, service), [service.shape(b) for b in bodies], service.route
            )
        before = services.degraded(ours)
        paces = [machine.pace_ms()]
        many = _rounds(running, scratch, MANY, rounds, seconds)
        without = services.degraded(ours) - before
        paces.append(machine.pace_ms())
        memory = services.memory_mib(ours)
        single = _rounds(running, scratch, ONE, max(rounds // 2, 1), seconds)
        _stop(running, but=1)
        paces.append(machine.pace_ms())
        half = _half(ours, scratch, bodies, many[OURS], rounds, seconds)
        paces.append(machine.pace_ms())
        some: dict[str, Any] = {}
        if defaults:
            some = _rounds([ours], scratch, SOME, max(rounds // 2, 1), seconds)
            _stop(running)
            some |= _untuned(scratch, booster, running, rounds, seconds)
    finally:
        _stop(running)
    return {"at": datetime.now(UTC).isoformat(), "bids": BIDS} | {
        f"clients_{MANY}": many,
        f"clients_{ONE}": single,
        "memory_mib": memory,
        "degraded": without,
        "half_of_peak": half,
        f"clients_{SOME}": some,
        "machine_pace_ms": [round(pace, 2) for pace in paces],
    }


def _prepare(home: Path, booster: Any, models: Path) -> None:
    where = services.addresses(home)
    slots = workload.level_catalogue(where["DATABASE_URL"])
    workload.tell_peers(where["REDIS_URL"], slots)
    workload.register(where["MLFLOW_TRACKING_URI"], booster, models)


def _peers(scratch: Path) -> list[Service]:
    where = services.addresses(scratch / "home")
    environment = {"REDIS_URL": where["REDIS_URL"], "PEER_MODEL": str(scratch / "peer.ubj")}
    ours = {"ADBID_HOME": str(scratch / "home"), "OUR_MODELS": str(scratch / "models")}
    peer = services.peer
    found = [
        peer(PEER, "benchmarks.peers.plain_pydantic:app", PORT + 301, environment),
        peer("Starlette, raw orjson", "benchmarks.peers.plain_orjson:app", PORT + 302, environment),
        peer("our code, no Ray", "benchmarks.peers.in_process:app", PORT + 303, ours, "--factory"),
    ]
    if services.BENTOML.exists():
        found.append(services.bentoml("BentoML", PORT + 304, environment))
    model = workload.save_for_mlflow(scratch / "mlflow-model")
    found.append(services.mlflow_server("mlflow models serve", PORT + 305, model, environment))
    return found


def script_of(scratch: Path, service: Service) -> Path:
    """Where the service's wrk script is."""
    return scratch / f"{service.name.replace(' ', '-')}.lua"


def _stop(running: list[Service], *, but: int = 0) -> None:
    """The last first; the first few may go on."""
    while len(running) > but:
        running.pop().stop()


def _untuned(
    scratch: Path, booster: Any, running: list[Service], rounds: int, seconds: float
) -> dict[str, Any]:
    """The same graph on Serve's defaults, at the few clients that it can take.

    Alone, as ours was: two systems on two cores would take a third of each other's time idling.
    """
    flags = {
        "RAY_SERVE_THROUGHPUT_OPTIMIZED": "0",
        "RAY_SERVE_ENABLE_HA_PROXY": "0",
        "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.1",
        "RAY_worker_niceness": "15",
        "ADBID_SERVE_CONFIG": str(PROJECT_ROOT / "benchmarks" / "defaults_serve.yaml"),
    }
    untuned = services.up(DEFAULTS, scratch / "untuned", PORT + 400, **flags)
    running.append(untuned)
    _prepare(scratch / "untuned", booster, scratch / "untuned-models")
    _until_scored(untuned)
    write_wrk_script(script_of(scratch, untuned), bundles(BIDS))
    return _rounds([untuned], scratch, SOME, max(rounds // 2, 1), seconds)


def _until_scored(service: Service) -> None:
    """Until the models answer."""
    body = bundles(1)[0]
    for _ in range(240):
        models = service.ask(body).get("models", {"ctr": "peer", "cvr": "peer"})
        if models["ctr"] and models["cvr"]:
            return
        time.sleep(0.5)
    raise TimeoutError(f"{service.name}: no model answers")


def _values(service: Service, body: dict[str, Any]) -> dict[str, float]:
    answer = service.ask(body | {"tmax_ms": 5000})
    results = answer.get("results") or answer["predictions"]
    ranked = sorted(results, key=lambda result: result["rank"] or 10**6)
    return {result["bid_id"]: result["vpi"] for result in ranked}


def _ranking(service: Service, bodies: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [_values(service, body) for body in bodies[:CHECKED]]


def _check(
    service: Service, bodies: list[dict[str, Any]], expected: list[dict[str, float]]
) -> None:
    """The same order, but for ties in float32. Raises `ValueError`."""
    for body, wanted in zip(bodies, expected, strict=False):
        found = _values(service, body)
        pairs = zip(wanted, found, strict=True)
        wrong = [(a, b) for a, b in pairs if a != b and abs(wanted[a] / wanted[b] - 1) > TIE]
        if wrong:
            raise ValueError(f"{service.name} ranks another way: {wrong[:3]}")


def _rounds(
    running: list[Service], scratch: Path, clients: int, rounds: int, seconds: float
) -> dict[str, Any]:
    seen: dict[str, list[Load]] = {service.name: [] for service in running}
    for service in running:
        load.run(service.url, script_of(scratch, service), clients=clients, seconds=3)
    for _ in range(rounds):
        for service in running:
            script = script_of(scratch, service)
            seen[service.name].append(
                load.run(service.url, script, clients=clients, seconds=seconds)
            )
    return {name: _median(each) for name, each in seen.items()}


def _half(
    ours: Service,
    scratch: Path,
    bodies: list[dict[str, Any]],
    peak: dict[str, Any],
    rounds: int,
    seconds: float,
) -> dict[str, Any]:
    """Half of the peak rate, alone on the machine: each client waits between its requests."""
    script = scratch / "half-of-peak.lua"
    pause_ms = MANY / (peak["per_s"] / 2) * 1000
    write_wrk_script(script, bodies)
    text = script.read_text()
    script.write_text(text + f"\nfunction delay() return math.random(0, {2 * pause_ms:.0f}) end\n")
    seen = [
        load.run(ours.url, script, clients=MANY, seconds=seconds) for _ in range(max(rounds, 1))
    ]
    return _median(seen)


def _median(seen: list[Load]) -> dict[str, Any]:
    plain = [asdict(each) for each in seen]
    return {name: statistics.median(each[name] for each in plain) for name in plain[0]}


def table(found: dict[str, Any]) -> str:
    """Markdown: ours against each, as ratios, then the absolute figures."""
    many, single = found[f"clients_{MANY}"], found[f"clients_{ONE}"]
    lines = [
        f"| {BIDS} bids a bundle | bundles/s at {MANY} clients | ours is | p99 at {MANY} "
        "| p50 / p99 at 1 client | not 200 |",
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, each in many.items():
        ratio = many[OURS]["per_s"] / each["per_s"]
        alone = single[name]
        lines.append(
            f"| {name} | {each['per_s']:,.0f} | {ratio:.2f}x | {each['p99_ms']:.0f} ms "
            f"| {alone['p50_ms']:.1f} / {alone['p99_ms']:.1f} ms | {each['bad']:.0f} |"
        )
    some = found[f"clients_{SOME}"]
    if some:
        ratio = some[OURS]["per_s"] / some[DEFAULTS]["per_s"]
        lines.append(
            f"| {DEFAULTS}, at {SOME} clients | {some[DEFAULTS]['per_s']:,.0f} "
            f"(ours {some[OURS]['per_s']:,.0f}) | {ratio:.1f}x "
            f"| {some[DEFAULTS]['p99_ms']:.0f} ms | | {some[DEFAULTS]['bad']:.0f} |"
        )
    half = found["half_of_peak"]
    lines.append(
        f"| ours at half of the peak ({half['per_s']:,.0f}/s) | | | {half['p99_ms']:.1f} ms | | "
        f"{half['bad']:.0f} |"
    )
    lines.append(f"\nOf our answers at {MANY} clients {found['degraded']:,.0f} were degraded.")
    lines.append(f"\nOur whole system under this load: {found['memory_mib']:,.0f} MiB (PSS).")
    paces = ", ".join(f"{pace:.1f}" for pace in found["machine_pace_ms"])
    lines.append(
        f"\nThe machine's own pace (`benchmarks/machine.py`) before the rounds at {MANY} clients, "
        f"after them, before half of the peak and after it: {paces} ms."
    )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
