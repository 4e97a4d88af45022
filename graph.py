"""The composition root: `serve run graph:app`, or `serve_config.yaml`."""

from ray.serve import Application

from deployments.features import Features
from deployments.ingress import Ingress
from deployments.scoring import Scoring


def build() -> Application:
    """Ingress -> features -> scoring. Replicas and limits are set in `serve_config.yaml`."""
    return Ingress.bind(features=Features.bind(), scoring=Scoring.bind())


app = build()
