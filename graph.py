"""The composition root: `serve run graph:app`, or `serve_config.yaml`."""

from ray import serve
from ray.serve import Application

from deployments.features import Features
from deployments.ingress import Ingress
from deployments.rollup import Rollup
from deployments.scoring import Scoring


def build() -> Application:
    """Ingress -> features -> scoring; the rollup counts what the ingress took.

    Replicas and limits are set in `serve_config.yaml`.
    """
    features = serve.deployment(Features).bind()
    scoring = serve.deployment(Scoring).bind()
    rollup = serve.deployment(Rollup).bind()
    return serve.deployment(Ingress).bind(features=features, scoring=scoring, rollup=rollup)


app = build()
