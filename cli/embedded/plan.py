"""From settings to the parts of one system: which to start, which others run already."""

import os
import subprocess
import sys
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

from cli.embedded import ports
from cli.embedded.errors import EmbeddedError
from cli.embedded.haproxy import haproxy_binary, is_wanted
from cli.embedded.home import Home
from cli.embedded.mlflow_server import MlflowServer
from cli.embedded.part import Part
from cli.embedded.ports import PortBlock
from cli.embedded.postgres import Postgres
from cli.embedded.postgres_place import place_of
from cli.embedded.ray_cluster import RayCluster
from cli.embedded.redis import Redis
from cli.embedded.scheduler_part import Scheduler
from cli.embedded.schema import Schema
from cli.embedded.second_door import SecondDoor
from cli.embedded.serve_app import ServeApp
from stores.settings import PROJECT_ROOT, Settings

_LOOPBACK = "127.0.0.1"
_ASK_TIMEOUT_S = 20.0
_ASK_GCS = """
import sys
from ray._private import ray_constants as names
from ray._raylet import GcsClient
print(
    GcsClient(address=sys.argv[1])
    .internal_kv_get(names.DASHBOARD_ADDRESS.encode(), namespace=names.KV_NAMESPACE_DASHBOARD)
    .decode()
)
"""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to start (`parts`), what is given (`external`: part -> variable), and where all is.

    `env` is what other processes need to find the system; `ports` are those that must be free.
    """

    home: Home
    block: PortBlock
    host: str
    parts: tuple[Part, ...]
    external: dict[str, str]
    ports: dict[int, str]
    env: dict[str, str]
    urls: dict[str, str] = field(default_factory=dict)


def plan(settings: Settings) -> Plan:
    """The system these settings describe. Starts nothing.

    Raises `EmbeddedError` where a given Ray cluster does not tell where its dashboard is.
    """
    home, block = Home(settings.home), PortBlock(settings.port)
    parts: list[Part] = []
    external: dict[str, str] = {}
    wanted: dict[int, str] = {}

    database_url, mlflow_database_url = settings.database_url, settings.mlflow_database_url
    after_database: tuple[str, ...] = ()
    if database_url is None:
        postgres = Postgres(home, block.postgres, place_of(home))
        parts.append(postgres)
        wanted |= ports.postgres_ports(block)
        database_url = postgres.url("adbid")
        mlflow_database_url = mlflow_database_url or postgres.url("mlflow")
        after_database = ("postgres",)
    else:
        external["postgres"] = "DATABASE_URL"

    redis_url = settings.redis_url
    if redis_url is None:
        redis = Redis(home, block.redis)
        parts.append(redis)
        wanted |= ports.redis_ports(block)
        redis_url = redis.url
    else:
        external["redis"] = "REDIS_URL"

    tracking_uri = settings.mlflow_tracking_uri
    if tracking_uri is None:
        mlflow = MlflowServer(
            home,
            block.mlflow,
            mlflow_database_url or sibling_database(database_url, "mlflow"),
            settings.artifact_root,
            after_database,
        )
        parts.append(mlflow)
        wanted |= ports.mlflow_ports(block)
        tracking_uri = mlflow.url
    else:
        external["mlflow"] = "MLFLOW_TRACKING_URI"

    stores = {
        "DATABASE_URL": database_url,
        "REDIS_URL": redis_url,
        "MLFLOW_TRACKING_URI": tracking_uri,
    }
    parts.append(Schema(home, database_url, after_database))
    binary, second_door = haproxy_binary(), None
    listens = settings.host if binary is None else _LOOPBACK
    if settings.ray_address is None:
        # SO_REUSEPORT spreads connections on Linux alone
        if binary is not None and is_wanted(os.environ) and sys.platform == "linux":
            second_door = SecondDoor(home, binary, block.second_door)
            wanted |= ports.second_door_ports(block)
        told = stores | _for_replicas(settings, settings.host)
        ray = RayCluster(home, block, settings.host, told, second_door)
        parts.append(ray)
        wanted |= ports.ray_ports(block)
        ray_address, dashboard_url = f"{_LOOPBACK}:{block.ray_gcs}", ray.dashboard_url
        serve_host, env_vars = listens, {}
    else:
        external["ray"] = "RAY_ADDRESS"
        ray_address = settings.ray_address
        dashboard_url = settings.ray_dashboard_url or dashboard_of(ray_address)
        serve_host = urlsplit(dashboard_url).hostname or _LOOPBACK
        reached_at = serve_host if settings.host == _LOOPBACK else settings.host
        env_vars = stores | _for_replicas(settings, reached_at)
    parts.append(
        ServeApp(
            settings.serve_config,
            dashboard_url,
            serve_host,
            settings.port,
            tuple(part.name for part in parts),
            env_vars,
        )
    )
    if second_door is not None:
        parts.append(second_door)
    if settings.scheduler:
        where = {"ADBID_RAY_DASHBOARD_URL": dashboard_url, "ADBID_ENV": settings.env}
        parts.append(Scheduler(home, stores | where))
    return Plan(
        home,
        block,
        settings.host,
        tuple(parts),
        external,
        wanted,
        stores
        | {"RAY_ADDRESS": ray_address, "ray_dashboard_url": dashboard_url}
        | {"host": settings.host, "port": str(settings.port)},
        _urls(f"http://{serve_host}:{settings.port}", tracking_uri, dashboard_url),
    )


def _for_replicas(settings: Settings, host: str) -> dict[str, str]:
    """`host` is where the port can be reached: beyond loopback, scoring wants keys."""
    return {"ADBID_ENV": settings.env, "ADBID_HOST": host}


def _urls(api: str, tracking_uri: str, dashboard_url: str) -> dict[str, str]:
    return {
        "API": f"{api}/api/score",
        "API docs": f"{api}/docs",
        "MLflow": tracking_uri,
        "Ray dashboard": dashboard_url,
    }


def sibling_database(url: str, name: str) -> str:
    """The same server's database of another name."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


def dashboard_of(ray_address: str) -> str:
    """The dashboard's URL of a cluster that is already there.

    Asks its GCS in a short-lived process, so that this one need not import Ray. Raises
    `EmbeddedError` where there is no answer.
    """
    if ray_address.startswith("http"):
        return ray_address.rstrip("/")
    try:
        done = subprocess.run(
            [sys.executable, "-c", _ASK_GCS, ray_address],
            capture_output=True,
            text=True,
            timeout=_ASK_TIMEOUT_S,
            check=True,
            cwd=PROJECT_ROOT,
        )
    except (subprocess.TimeoutExpired, subprocess.CalledProcessError) as error:
        raise EmbeddedError(
            f"the Ray cluster at RAY_ADDRESS={ray_address} does not tell where its dashboard is; "
            "check the address, or set ADBID_RAY_DASHBOARD_URL=http://host:8265."
        ) from error
    return f"http://{done.stdout.strip()}"
