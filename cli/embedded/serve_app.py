"""The application: `serve_config.yaml`, deployed through Ray's dashboard."""

import contextlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from cli.embedded import probe
from cli.embedded.errors import NotReady, PartFailed

_API = "/api/serve/applications/"
_PUT_TIMEOUT_S = 90.0


@dataclass(frozen=True, slots=True)
class ServeApp:
    """The Serve application behind `url`, run by the Ray cluster behind `dashboard_url`.

    `env_vars` go to the replicas of a cluster that we did not start; ours has them already.
    """

    config_file: Path
    dashboard_url: str
    host: str
    port: int
    needs: tuple[str, ...]
    env_vars: dict[str, str]
    log: Path | None = None
    name: str = "serve"
    ready_within_s: float = 240.0
    once: bool = False
    kill_when_silent: bool = False

    @property
    def url(self) -> str:
        return f"http://{self.host}:{self.port}"

    def start(self) -> None:
        """Ask for the application. Asking again for the same one changes nothing."""
        status, body = probe.ask(
            self.dashboard_url + _API,
            method="PUT",
            body=self.configuration(),
            timeout_s=_PUT_TIMEOUT_S,
        )
        if status >= 500:
            raise NotReady(f"Ray's dashboard answers {status}: {_last_line(body)}")
        if status >= 400:
            raise PartFailed("serve", f"{self.config_file.name} is refused: {_last_line(body)}")

    def configuration(self) -> dict[str, Any]:
        """`serve_config.yaml` with our host and port.

        Raises `PartFailed` where the file is missing or is not YAML.
        """
        try:
            config = dict(yaml.safe_load(self.config_file.read_text(encoding="utf-8")))
        except (FileNotFoundError, yaml.YAMLError, TypeError) as error:
            raise PartFailed("serve", f"{self.config_file} cannot be read: {error}") from error
        config["http_options"] = (config.get("http_options") or {}) | {
            "host": self.host,
            "port": self.port,
        }
        if self.env_vars:
            for application in config["applications"]:
                runtime_env = application.setdefault("runtime_env", {})
                runtime_env["env_vars"] = self.env_vars | runtime_env.get("env_vars", {})
        return config

    def check(self, process: "subprocess.Popen[bytes] | None") -> None:
        """The whole application runs, and its health check answers."""
        answer = probe.expect_json(self.dashboard_url + _API)
        applications = answer["applications"]
        port = (answer.get("http_options") or {}).get("port", self.port)
        if port != self.port:
            why = f"Serve on this cluster listens on port {port}; set ADBID_PORT={port}"
            raise PartFailed("serve", why)
        for name, application in applications.items():
            if application["status"] in ("DEPLOY_FAILED", "UNHEALTHY"):
                raise PartFailed("serve", f"{name}: {application['message']}", self.log)
            if application["status"] != "RUNNING":
                raise NotReady(_progress(application))
        if not applications:
            raise NotReady("not deployed yet")
        probe.expect_ok(f"{self.url}/healthz")

    def stop(self, process: "subprocess.Popen[bytes] | None") -> None:
        """Let replicas finish what they hold. Ray ends them anyway, so no answer is no problem."""
        try:
            probe.ask(self.dashboard_url + _API, method="DELETE", timeout_s=20.0)
        except NotReady:
            return


def _progress(application: dict[str, Any]) -> str:
    """`Ingress 1/1, Scoring 0/1`: replicas running of replicas wanted."""
    parts = []
    for name, deployment in application.get("deployments", {}).items():
        states = [replica["state"] for replica in deployment.get("replicas", [])]
        parts.append(f"{name} {states.count('RUNNING')}/{len(states)}")
    return ", ".join(parts) or str(application["status"]).lower()


def _last_line(body: bytes) -> str:
    text = body.decode(errors="replace").strip()
    with contextlib.suppress(ValueError, AttributeError):
        text = str(json.loads(text).get("msg", text))
    return text.splitlines()[-1] if text else "no reason given"
