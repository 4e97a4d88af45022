"""One block of 200 ports per system, all derived from the HTTP port."""

import socket
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from cli.embedded.errors import PortTaken

SIZE = 200
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class PortBlock:
    """The ports of the system whose HTTP port is `base`.

    Two systems whose bases lie 200 or more apart share no port.
    """

    base: int

    @property
    def http(self) -> int:
        return self.base

    @property
    def mlflow(self) -> int:
        return self.base + 10

    @property
    def ray_dashboard(self) -> int:
        return self.base + 11

    @property
    def ray_gcs(self) -> int:
        return self.base + 12

    @property
    def postgres(self) -> int:
        return self.base + 13

    @property
    def redis(self) -> int:
        return self.base + 14

    @property
    def ray_inner(self) -> dict[str, int]:
        """Ray's own servers, by the name of the option that sets each."""
        options = (
            "object-manager-port",
            "node-manager-port",
            "dashboard-agent-listen-port",
            "dashboard-agent-grpc-port",
            "runtime-env-agent-port",
            "metrics-export-port",
        )
        return {option: self.base + 15 + i for i, option in enumerate(options)}

    @property
    def haproxy_metrics(self) -> int:
        return self.base + 21

    @property
    def haproxy_stats(self) -> int:
        return self.base + 22

    @property
    def fallback_http(self) -> int:
        return self.base + 23

    @property
    def fallback_grpc(self) -> int:
        return self.base + 24

    @property
    def haproxy_syslog(self) -> int:
        """UDP; nothing listens there unless an operator wants HAProxy's access log."""
        return self.base + 25

    @property
    def dashboard_metrics(self) -> int:
        return self.base + 26

    @property
    def autoscaler_metrics(self) -> int:
        return self.base + 27

    @property
    def second_door(self) -> int:
        """Tells that the second HAProxy lives; what it serves is on `http`."""
        return self.base + 28

    @property
    def replica_http(self) -> range:
        """Where HAProxy reaches ingress replicas."""
        return range(self.base + 30, self.base + 60)

    @property
    def replica_grpc(self) -> range:
        return range(self.base + 60, self.base + 75)

    @property
    def ray_workers(self) -> range:
        """One for each Ray worker process."""
        return range(self.base + 75, self.base + SIZE)


def postgres_ports(block: PortBlock) -> dict[int, str]:
    return {block.postgres: "PostgreSQL"}


def redis_ports(block: PortBlock) -> dict[int, str]:
    return {block.redis: "Redis"}


def mlflow_ports(block: PortBlock) -> dict[int, str]:
    return {block.mlflow: "MLflow"}


def ray_ports(block: PortBlock) -> dict[int, str]:
    """The fixed ports of Ray and Serve, HTTP first. The ranges have room for a taken one."""
    return {
        block.http: "HTTP",
        block.ray_dashboard: "Ray dashboard",
        block.ray_gcs: "Ray GCS",
        **{port: f"Ray {option}" for option, port in block.ray_inner.items()},
        block.haproxy_metrics: "HAProxy metrics",
        block.haproxy_stats: "HAProxy stats",
        block.fallback_http: "Serve fallback proxy",
        block.dashboard_metrics: "Ray dashboard metrics",
    }


def second_door_ports(block: PortBlock) -> dict[int, str]:
    return {block.second_door: "second HAProxy"}


def is_free(port: int, host: str = _LOOPBACK) -> bool:
    """Whether a server could listen on host:port right now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
            probe.listen(1)
        except OSError:
            return False
    return True


def free_of(ports: Iterable[int]) -> list[int]:
    """Those of `ports` that nothing listens on."""
    return [port for port in ports if is_free(port)]


def check_free(wanted: dict[int, str], block: PortBlock) -> None:
    """Raise `PortTaken` for the first port of `wanted` (port -> whose) that is in use."""
    for port, part in wanted.items():
        if not is_free(port):
            raise PortTaken(port, part, _holder(port), str(block.base + SIZE))


def _holder(port: int) -> str:
    """` by pid 12 (nginx)`, or nothing where the system does not tell."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return ""
    for connection in connections:
        listens = connection.status == psutil.CONN_LISTEN
        if listens and connection.laddr and connection.laddr.port == port and connection.pid:
            try:
                return f" by pid {connection.pid} ({psutil.Process(connection.pid).name()})"
            except psutil.NoSuchProcess:
                return ""
    return ""
