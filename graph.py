"""The composition root: `serve run graph:app`, or `serve_config.yaml`."""

from ray import serve
from ray.serve import Application

from deployments.features import Features
from deployments.ingress import Ingress
from deployments.scoring import Scoring


def build() -> Application:
    """Ingress -> features -> scoring. Replicas and limits are set in `serve_config.yaml`."""
    features = serve.deployment(Features).bind()
    scoring = serve.deployment(Scoring).bind()
    return serve.deployment(Ingress).bind(features=features, scoring=scoring)


app = build()
