"""The service on three nodes: its stores on the host, its replicas and fits on the workers."""

import os
import re
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import psycopg
import yaml

from stores.settings import PROJECT_ROOT
from tests.chaos.nodes import DASHBOARD, HOST, HTTP, NETWORK, Node, network
from tests.chaos.system import TWICE, until
from tests.servers import PostgresProcess, RedisProcess, free_port

WORKERS = ("adbid-w1", "adbid-w2")
HEAD = "adbid-head"
RAY_SERVICE = PROJECT_ROOT / "deploy/kubernetes/base/rayservice.yaml"
CPUS = 4
_FIT = "RayTrainWorker"


@dataclass
class Cluster:
    """Three nodes with the application deployed."""

    nodes: dict[str, Node]
    storage: Path

    @property
    def door(self) -> tuple[str, int]:
        return self.nodes[HEAD].address, HTTP

    @property
    def dashboard(self) -> str:
        return f"http://{self.nodes[HEAD].address}:{DASHBOARD}"

    def named(self, address: str) -> str:
        return next(n.name for n in self.nodes.values() if n.address == address)

    def deploy(self, config: dict[str, Any]) -> None:
        url = f"{self.dashboard}/api/serve/applications/"
        httpx.put(url, json=config, timeout=90, trust_env=False).raise_for_status()

    def placement(self) -> dict[str, Counter[str]]:
        """Running replicas of each deployment on each node, as Serve's status tells."""
        return {
            name: Counter(
                self.named(replica["node_ip"])
                for replica in deployment["replicas"]
                if replica["state"] == "RUNNING"
            )
            for name, deployment in self._application().get("deployments", {}).items()
        }

    def _application(self) -> dict[str, Any]:
        found = self._get("/api/serve/applications/")["applications"]
        return dict(found.get("adbid", {"status": "NOT_STARTED"}))

    def whole(self) -> bool:
        """Every replica that is wanted runs, on a node that lives."""
        if self._application()["status"] != "RUNNING":
            return False
        dead = {n.name for n in self.nodes.values() if n.process and n.process.poll() is not None}
        placed = self.placement()
        return all(not dead & set(found) for found in placed.values()) and all(
            sum(placed.get(name, {}).values()) >= 2 for name in TWICE
        )

    def fit(self, within_s: float) -> tuple[str, set[str]]:
        """A retraining to its end: its last line, and the nodes that had workers."""
        return self.outcome(self.submit(), within_s)

    def submit(self) -> str:
        python = shlex.quote(sys.executable)
        command = f"{python} -m tests.chaos.cluster_job {shlex.quote(str(self.storage))}"
        body = {"entrypoint": f"cd {PROJECT_ROOT} && exec {command}", "entrypoint_num_cpus": 0.2}
        answer = httpx.post(f"{self.dashboard}/api/jobs/", json=body, timeout=60, trust_env=False)
        answer.raise_for_status()
        return str(answer.json()["submission_id"])

    def outcome(self, job: str, within_s: float) -> tuple[str, set[str]]:
        """Wait for a job: its last line, and the nodes on which its workers were seen."""
        nodes: set[str] = set()

        def ended() -> bool:
            nodes.update(self.fitting_nodes())
            return self.status(job) in ("SUCCEEDED", "FAILED", "STOPPED")

        if not until(ended, within_s):
            return f"still {self.status(job)} after {within_s:.0f} s: {self.said(job)}", nodes
        return f"{self.status(job).lower()}, {self.said(job)}", nodes

    def status(self, job: str) -> str:
        return str(self._get(f"/api/jobs/{job}")["status"])

    def said(self, job: str) -> str:
        try:
            lines = str(self._get(f"/api/jobs/{job}/logs")["logs"]).strip().splitlines()
        except httpx.HTTPStatusError:  # the node that kept it is gone
            return str(self._get(f"/api/jobs/{job}").get("message", ""))[:160]
        return re.sub(r"\x1b\[\d+m", "", lines[-1])[:160] if lines else "nothing said"

    def fitting_nodes(self) -> set[str]:
        """The nodes on which Ray Train's workers live just now, as Ray's state API tells."""
        by_id = {
            each["node_id"]: self.named(each["node_ip"]) for each in self._state("nodes", limit=50)
        }
        return {
            by_id[actor["node_id"]]
            for actor in self._state("actors", limit=1000)
            if actor["state"] == "ALIVE" and actor["class_name"] == _FIT
        }

    def driver_node(self, job: str) -> str:
        """The node on which the job's own process lives."""
        agent = urlsplit(str(self._get(f"/api/jobs/{job}")["driver_agent_http_address"]))
        return self.named(str(agent.hostname))

    def kill_a_node_in_a_fit(self, within_s: float) -> tuple[str, float, int, str]:
        """The node that has workers of the fit but not its driver: its name, when it was killed,
        how many processes died, and the job."""
        job = self.submit()
        if not until(lambda: len(self.fitting_nodes()) == 2, within_s):
            raise RuntimeError(f"no fit on two nodes: {self.said(job)}")
        victim = next(name for name in WORKERS if name != self.driver_node(job))
        at = time.time()
        return victim, at, self.nodes[victim].kill(), job

    def start_again(self, name: str) -> None:
        """The node joins anew. Raises `RuntimeError` where it does not."""
        self.nodes[name].start()
        if not until(lambda: self.alive() == len(self.nodes), 60):
            raise RuntimeError(f"{name} did not join")

    def alive(self) -> int:
        return sum(each["state"] == "ALIVE" for each in self._state("nodes", limit=50))

    def _state(self, what: str, limit: int) -> list[dict[str, Any]]:
        found = self._get(f"/api/v0/{what}?limit={limit}&detail=true")
        return list(found["data"]["result"]["result"])

    def _get(self, path: str) -> dict[str, Any]:
        answer = httpx.get(self.dashboard + path, timeout=20, trust_env=False)
        answer.raise_for_status()
        return dict(answer.json())


@contextmanager
def cluster(folder: Path, say: Callable[[str], None]) -> Iterator[Cluster]:
    """Stores, three nodes and the application with a history to learn from; all gone after."""
    with ExitStack() as stack:
        addresses = stack.enter_context(network([HEAD, *WORKERS]))
        stores = stack.enter_context(_stores(folder))
        say("stores are up")
        nodes = {name: Node(name, addresses[name], folder, stores, CPUS) for name in addresses}
        nodes[HEAD].cpus = 0
        nodes[HEAD].start()
        made = Cluster(nodes, folder / "shared")
        _until_ok(f"{made.dashboard}/api/version")
        for name in WORKERS:
            nodes[name].head = nodes[HEAD].address
            nodes[name].start()
        made.storage.mkdir()
        if not until(lambda: made.alive() == len(nodes), 90):
            raise RuntimeError("the worker nodes did not join")
        say("three nodes are up")
        made.deploy(_configuration())
        if not until(made.whole, 180):
            raise RuntimeError(f"the application did not come up: {made.placement()}")
        say("the application is up")
        _live_through_two_days(folder, stores, nodes[HEAD].address)
        yield made


def _configuration() -> dict[str, Any]:
    """The cluster's configuration, two replicas of what one machine has one or two of."""
    manifests = yaml.safe_load_all(RAY_SERVICE.read_text(encoding="utf-8"))
    service = next(each for each in manifests if each["kind"] == "RayService")
    config: dict[str, Any] = yaml.safe_load(service["spec"]["serveConfigV2"])
    for deployment in config["applications"][0]["deployments"]:
        if deployment["name"] in TWICE:
            deployment.pop("autoscaling_config", None)
            deployment["num_replicas"] = 2
    return config


@contextmanager
def _stores(folder: Path) -> Iterator[dict[str, str]]:
    """PostgreSQL, Redis and MLflow on the bridge's address; their tables made by the image's
    roles."""
    postgres = PostgresProcess(folder / "postgres", HOST)
    redis = RedisProcess(folder / "redis", HOST)
    postgres.trust(f"{NETWORK}.0/24")
    postgres.start()
    redis.start()
    port = free_port()
    with psycopg.connect(postgres.url("postgres"), autocommit=True) as connection:
        connection.execute("CREATE DATABASE adbid")
    given = {
        "DATABASE_URL": postgres.url("adbid"),
        "REDIS_URL": redis.url,
        "MLFLOW_TRACKING_URI": f"http://{HOST}:{port}",
    }
    environment = os.environ | given | {"ADBID_HOME": str(folder / "host")}
    role = [sys.executable, "-m", "cli.container"]
    subprocess.run([*role, "migrate"], env=environment, cwd=PROJECT_ROOT, check=True)
    options = ["--host", HOST, "--port", str(port), "--allowed-hosts", "*"]
    with (folder / "mlflow.log").open("wb") as log:
        mlflow = subprocess.Popen(
            [*role, "mlflow", *options], env=environment, cwd=PROJECT_ROOT, stdout=log, stderr=log
        )
    try:
        _until_ok(f"{given['MLFLOW_TRACKING_URI']}/health")
        yield given
    finally:
        mlflow.kill()
        mlflow.wait(10)
        redis.stop()
        postgres.kill()


def _until_ok(url: str) -> None:
    def answers() -> bool:
        try:
            return httpx.get(url, timeout=3, trust_env=False).is_success
        except httpx.HTTPError:
            return False

    if not until(answers, 120):
        raise RuntimeError(f"{url} does not answer")


def _live_through_two_days(folder: Path, stores: dict[str, str], head: str) -> None:
    """A simulated ad server, so that a training has something to read."""
    command = [sys.executable, "-m", "cli.main", "simulate"]
    command += ["--rate", "300", "--duration", "2d", "--speed", "5760"]
    given = {"ADBID_HOME": str(folder / "host"), "ADBID_HOST": head, "NO_PROXY": "*"}
    done = subprocess.run(
        command,
        env=os.environ | stores | given,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"{done.stdout}\n{done.stderr}")
