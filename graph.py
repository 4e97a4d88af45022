"""The composition root: `serve run graph:app`, or `serve_config.yaml`."""

from ray import serve
from ray.serve import Application

from deployments.features import Features
from deployments.ingress import Ingress
from deployments.overseer import Overseer
from deployments.rollup import Rollup
from deployments.scoring import Scoring
from deployments.telemetry import Telemetry


def build() -> Application:
    """Ingress -> features -> scoring; the rollup counts what the ingress took; the overseer
    watches the champions; telemetry hears of all.

    Replicas and limits are set in `serve_config.yaml`.
    """
    telemetry = serve.deployment(Telemetry).bind()
    features = serve.deployment(Features).bind(telemetry=telemetry)
    scoring = serve.deployment(Scoring).bind(telemetry=telemetry)
    rollup = serve.deployment(Rollup).bind(telemetry=telemetry)
    overseer = serve.deployment(Overseer).bind(scoring=scoring)
    return serve.deployment(Ingress).bind(
        features=features,
        scoring=scoring,
        rollup=rollup,
        overseer=overseer,
        telemetry=telemetry,
    )


app = build()
