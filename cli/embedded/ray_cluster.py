"""`ray start --head` with the Serve flags, every port in our block, everything on loopback."""

import os
import resource
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.embedded import courtesy, haproxy, ports, probe, processes
from cli.embedded.home import Home
from cli.embedded.ports import PortBlock
from cli.embedded.second_door import SecondDoor
from stores.settings import PROJECT_ROOT

_MOST_CONNECTIONS = 4_096
_OBJECT_STORE_BYTES = 256 * 2**20
# Ray's CPUs are shares by which it places, not cores: a machine of one core has to place the least
# replicas of serve_config.yaml and the nightly job too.
LEAST_CPUS = 2

# Read by Ray at start, on every node; see docs/decisions/0001-shape.md.
SERVE_FLAGS = {
    "RAY_SERVE_THROUGHPUT_OPTIMIZED": "1",
    "RAY_SERVE_ENABLE_HA_PROXY": "1",
    "RAY_SERVE_CONTROL_LOOP_INTERVAL_S": "0.25",  # at Ray's 0.1 it takes 5% of a core, idle
    "RAY_SERVE_HAPROXY_NBTHREAD": "1",
    "RAY_SERVE_HAPROXY_TUNE_BUFSIZE": "65536",  # a bundle of 100 bids, and its answer, in one piece
    "RAY_SERVE_HAPROXY_METRICS_ENABLED": "0",  # a line of each request through Python; we count
    "RAY_SERVE_HAPROXY_RETRY_ON": "conn-failure empty-response",  # which of them: in haproxy.py
    "RAY_SERVE_HAPROXY_HARD_STOP_AFTER_S": "30",
    "RAY_SERVE_PROXY_READY_CHECK_TIMEOUT_S": "30",
    "RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S": "1",  # three misses until a dead HAProxy is replaced
    "RAY_SERVE_DIRECT_INGRESS_MIN_DRAINING_PERIOD_S": "5",
    "RAY_worker_niceness": "0",
}

_HOST_FLAGS = {
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a one-host cluster: 127.0.0.1 stays 127.0.0.1
    "RAY_AUTH_MODE": "disabled",  # loopback only; and a token in ~/.ray must not change this system
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0",  # no other node could take over
    "RAY_ROTATION_MAX_BYTES": str(64 * 2**20),
    "RAY_ROTATION_BACKUP_COUNT": "2",
    "RAY_START_HOOK": "cli.embedded.ray_cluster.without_client_server",
    # Ray calls the function that this names in every worker, before its first task.
    "__RAY_WORKER_PROCESS_SETUP_HOOK_ENV_VAR": "cli.embedded.loopback.bind_servers_to_loopback",
}


def without_client_server(params: Any, head: bool) -> None:
    """Ray's hook for `ray start`: no `ray://` server, which nothing here uses (100 MB)."""
    params.ray_client_server_port = None


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A one-node Ray cluster. `stores` are the addresses its workers find the stores by."""

    home: Home
    block: PortBlock
    host: str
    stores: dict[str, str]
    second_door: SecondDoor | None = None
    name: str = "ray"
    needs: tuple[str, ...] = ()
    ready_within_s: float = 120.0
    once: bool = False
    kill_when_silent: bool = True

    @property
    def port(self) -> int:
        return self.block.ray_gcs

    @property
    def log(self) -> Path:
        return self.home.log(self.name)

    @property
    def dashboard_url(self) -> str:
        return f"http://127.0.0.1:{self.block.ray_dashboard}"

    def start(self) -> subprocess.Popen[bytes]:
        temp = self.home.sockets / "ray"
        _keep_latest_session(temp)
        for left in ("haproxy", "lines"):
            shutil.rmtree(self.home.sockets / left, ignore_errors=True)
        workers = ",".join(map(str, ports.free_of(self.block.ray_workers)))
        inner = [f"--{option}={port}" for option, port in self.block.ray_inner.items()]
        command = [
            *(self._python(), "-m", "ray.scripts.scripts", "start", "--head", "--block"),
            "--node-ip-address=127.0.0.1",
            f"--port={self.block.ray_gcs}",
            "--include-dashboard=true",
            "--dashboard-host=127.0.0.1",
            f"--dashboard-port={self.block.ray_dashboard}",
            *inner,
            f"--worker-port-list={workers}",
            f"--num-cpus={max(available_cpus(), LEAST_CPUS)}",
            f"--object-store-memory={_OBJECT_STORE_BYTES}",
            f"--temp-dir={temp}",
            "--no-monitor",
            "--include-log-monitor=false",
            "--disable-usage-stats",
        ]
        return processes.spawn(command, env=self.environment(), log=self.log, cwd=PROJECT_ROOT)

    def environment(self) -> dict[str, str]:
        """Flags can be tuned from outside; ports, paths and addresses cannot."""
        binary = haproxy.haproxy_binary()
        flags = {
            **SERVE_FLAGS,
            "RAY_SERVE_ENABLE_HA_PROXY": "1" if binary else "0",
            "RAY_SERVE_HAPROXY_MAXCONN": str(most_connections()),
        }
        env = flags | processes.child_env(self.home) | _HOST_FLAGS | self._places()
        if binary:
            wrapper = haproxy.write_wrapper(
                self.home,
                binary,
                self.host,
                self.block.http,
                one_host=True,
                first_holds=haproxy.held_by_first(available_cpus()),
                second=self.second_door,
            )
            env["RAY_SERVE_HAPROXY_BINARY_PATH"] = str(wrapper)
        path = os.pathsep.join(filter(None, (str(PROJECT_ROOT), env.get("PYTHONPATH"))))
        own = {
            "PYTHONPATH": path,
            "ADBID_LOG_FILE": str(self.home.log("service")),
            "ADBID_DOORS": " ".join(self._doors()) if haproxy.is_wanted(env) else "",
        }
        return env | own | self.stores

    def _python(self) -> str:
        """This Python, by a way that a shell takes for one word: Ray starts its workers by one."""
        if shlex.quote(sys.executable) == sys.executable:
            return sys.executable
        link = self.home.sockets / "venv"
        link.unlink(missing_ok=True)
        link.symlink_to(sys.prefix)
        return str(link / Path(sys.executable).relative_to(sys.prefix))

    def _doors(self) -> list[str]:
        ports = [self.block.haproxy_metrics]
        if self.second_door is not None:
            ports.append(self.second_door.port)
        return [f"http://127.0.0.1:{port}{haproxy.REFUSED_PATH}" for port in ports]

    def _places(self) -> dict[str, str]:
        block, folder = self.block, self.home.sockets / "haproxy"
        return {
            "RAY_SERVE_FALLBACK_PROXY_HTTP_PORT": str(block.fallback_http),
            "RAY_SERVE_FALLBACK_PROXY_GRPC_PORT": str(block.fallback_grpc),
            "RAY_SERVE_DIRECT_INGRESS_MIN_HTTP_PORT": str(block.replica_http.start),
            "RAY_SERVE_DIRECT_INGRESS_MAX_HTTP_PORT": str(block.replica_http.stop),
            "RAY_SERVE_DIRECT_INGRESS_MIN_GRPC_PORT": str(block.replica_grpc.start),
            "RAY_SERVE_DIRECT_INGRESS_MAX_GRPC_PORT": str(block.replica_grpc.stop),
            "RAY_SERVE_HAPROXY_METRICS_PORT": str(block.haproxy_metrics),
            "RAY_SERVE_HAPROXY_STATS_PORT": str(block.haproxy_stats),
            "RAY_SERVE_HAPROXY_LOG_TARGET": f"127.0.0.1:{block.haproxy_syslog}",
            "RAY_SERVE_HAPROXY_CONFIG_FILE_LOC": str(folder / "haproxy.cfg"),
            "RAY_SERVE_HAPROXY_SOCKET_PATH": str(folder / "admin.sock"),
            "RAY_SERVE_HAPROXY_METRICS_SOCKET_PATH": str(folder / "metrics.sock"),
            "RAY_SERVE_HAPROXY_SERVER_STATE_BASE": str(folder),
            "RAY_SERVE_HAPROXY_SERVER_STATE_FILE": str(folder / "server-state"),
            "DASHBOARD_METRIC_PORT": str(block.dashboard_metrics),
            "AUTOSCALER_METRIC_PORT": str(block.autoscaler_metrics),
        }

    def check(self, process: subprocess.Popen[bytes] | None) -> None:
        """`ray start` outlives a raylet that ends itself, so the raylet is asked too."""
        probe.expect_listener(self.block.ray_inner["node-manager-port"])
        probe.expect_ok(f"{self.dashboard_url}/api/version")
        if process is not None:
            courtesy.step_back(processes.family(process.pid))

    def stop(self, process: subprocess.Popen[bytes] | None) -> None:
        processes.end_child(process, grace_s=12)


def most_connections() -> int:
    """How many HAProxy takes, each with two files open: it does not start where it may not have as
    many. Ray's own number at most."""
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return _MOST_CONNECTIONS if files < 0 else min(_MOST_CONNECTIONS, (files - 100) // 2)


def available_cpus() -> int:
    """The CPUs this process may use, which a container can set below the machine's."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _keep_latest_session(temp: Path) -> None:
    """Remove the logs and sockets of all but the last session, which may explain a crash."""
    sessions = sorted(path for path in temp.glob("session_2*") if path.is_dir())
    for old in sessions[:-1]:
        shutil.rmtree(old, ignore_errors=True)
