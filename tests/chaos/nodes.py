"""Machines of one cluster on one host: a network namespace each, with an address of its own.

Needs root, `ip` and `unshare`. A node has its own ports, raylet, HAProxy and home; what its
processes share with the other nodes is the network and the project's folder, as on Kubernetes.
"""

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from cli.embedded import haproxy
from cli.embedded.home import Home
from cli.embedded.processes import child_env
from cli.embedded.ray_cluster import SERVE_FLAGS
from stores.settings import PROJECT_ROOT

NETWORK = "10.213.77"
HOST = f"{NETWORK}.1"
BRIDGE = "adbid-br"
# Of every node by the same name, and each node's own: a driver looks there for its node's raylet.
SESSIONS = Path("/tmp/adbid-nodes-ray")
_OWN_SESSIONS = 'mount --bind "$1" "$2" && shift 2 && exec "$@"'
HTTP, GCS, DASHBOARD = 8000, 6379, 8265
_FLAGS = {
    "RAY_AUTH_MODE": "disabled",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",
}


def ip(*words: str, check: bool = True) -> str:
    """One `ip` command; what it prints."""
    done = subprocess.run(["ip", *words], capture_output=True, text=True, check=False)
    if check and done.returncode:
        raise RuntimeError(f"ip {' '.join(words)}: {done.stderr.strip()}")
    return done.stdout


@contextmanager
def network(names: list[str]) -> Iterator[dict[str, str]]:
    """A bridge with this host on it and a namespace for each name; their addresses."""
    addresses = {name: f"{NETWORK}.{number}" for number, name in enumerate(names, 2)}
    _clear(names)  # what a run that was killed left
    try:
        ip("link", "add", BRIDGE, "type", "bridge")
        ip("addr", "add", f"{HOST}/24", "dev", BRIDGE)
        ip("link", "set", BRIDGE, "up")
        for name, address in addresses.items():
            _join(name, address)
        yield addresses
    finally:
        _clear(names)


def _clear(names: list[str]) -> None:
    for name in names:
        for pid in pids(name):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        ip("netns", "del", name, check=False)
        ip("link", "del", f"{name}-out", check=False)
    ip("link", "del", BRIDGE, check=False)


def _join(name: str, address: str) -> None:
    inner, outer = f"{name}-in", f"{name}-out"
    ip("netns", "add", name)
    ip("link", "add", outer, "type", "veth", "peer", "name", inner)
    ip("link", "set", inner, "netns", name)
    ip("link", "set", outer, "master", BRIDGE, "up")
    ip("-n", name, "addr", "add", f"{address}/24", "dev", inner)
    ip("-n", name, "link", "set", inner, "up")
    ip("-n", name, "link", "set", "lo", "up")


def pids(name: str) -> list[int]:
    """The processes that live in the namespace."""
    return [int(pid) for pid in ip("netns", "pids", name, check=False).split()]


@dataclass
class Node:
    """A Ray node in the namespace of its name. Without `head` it is the head."""

    name: str
    address: str
    folder: Path
    stores: dict[str, str]
    cpus: int
    head: str | None = None
    process: "subprocess.Popen[bytes] | None" = field(default=None, init=False)

    def start(self) -> None:
        """`ray start` in the namespace; returns at once."""
        home = Home(self.folder / self.name)
        home.create()
        own = home.root / "ray"
        for folder in (own, SESSIONS):
            folder.mkdir(exist_ok=True)
        # `ip netns exec` gives the process its own mounts as well as its own network. A driver
        # takes every raylet that it sees for its machine's, so a node sees its own processes only.
        command = ["ip", "netns", "exec", self.name]
        command += ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
        command += ["sh", "-ec", _OWN_SESSIONS, "sh"]
        command += [str(own), str(SESSIONS), sys.executable, "-m", "ray.scripts.scripts"]
        command += ["start", "--block", f"--node-ip-address={self.address}"]
        command += [f"--num-cpus={self.cpus}", f"--object-store-memory={256 * 2**20}"]
        command += [f"--temp-dir={SESSIONS}", "--disable-usage-stats"]
        if self.head is None:
            command += ["--head", f"--port={GCS}", "--include-dashboard=true", "--no-monitor"]
            command += ["--dashboard-host=0.0.0.0", f"--dashboard-port={DASHBOARD}"]
        else:
            command += [f"--address={self.head}:{GCS}"]
        with home.log("ray").open("ab") as output:
            self.process = subprocess.Popen(
                command,
                env=self.environment(home),
                stdout=output,
                stderr=output,
                cwd=PROJECT_ROOT,
                start_new_session=True,
            )

    def environment(self, home: Home) -> dict[str, str]:
        binary = haproxy.haproxy_binary()
        if binary is None:
            raise RuntimeError("Ray brings no HAProxy for this platform")
        wrapper = haproxy.write_wrapper(home, binary, "0.0.0.0", HTTP)
        folder = home.sockets / "haproxy"
        own = {
            "RAY_SERVE_HAPROXY_BINARY_PATH": str(wrapper),
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
            "ADBID_LOG_FILE": str(home.log("service")),
            "RAY_ADDRESS": f"{self.head or self.address}:{GCS}",  # not another one of this host
            "PYTHONPATH": str(PROJECT_ROOT),
            "NO_PROXY": "*",
            "no_proxy": "*",
        }
        return SERVE_FLAGS | child_env(home) | _FLAGS | own | self.stores

    def kill(self) -> int:
        """SIGKILL to every process of the machine at once, as when its power goes; how many."""
        found = pids(self.name)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while pids(self.name) and time.monotonic() < deadline:
            time.sleep(0.05)
        if self.process is not None:
            self.process.wait(10)
        return len(found)
