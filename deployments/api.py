"""The FastAPI application: its routers, its errors, its documentation."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import FastAPI

from deployments import openapi, problems
from deployments.door import ScoreHandler
from deployments.routes import health, score
from deployments.score_answer import ScoreAnswer
from deployments.score_request import ScoreRequest

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
DESCRIPTION = "Decides, in milliseconds, which brand's bid should win an ad slot."


def build(
    score_handler: ScoreHandler,
    readiness: Callable[[], dict[str, Any]],
    *,
    lifespan: Lifespan | None = None,
    version: str = "0.1.0",
) -> FastAPI:
    """The application around what its routes need."""
    app = FastAPI(
        title="AdBid Optimizer", description=DESCRIPTION, version=version, lifespan=lifespan
    )
    problems.install(app)
    app.include_router(health.build(readiness))
    app.include_router(score.build(score_handler))
    openapi.install(app, [ScoreRequest, ScoreAnswer])
    return app
