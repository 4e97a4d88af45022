"""The FastAPI application: its routers, its errors, its documentation."""

from collections.abc import Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Any

from fastapi import APIRouter, FastAPI
from msgspec import Struct

from deployments import openapi, problems, spa
from deployments.access import Access, undeclared_routes
from deployments.body_limit import BodyLimit
from deployments.decision_shapes import Decision, DecisionPage
from deployments.door import ScoreHandler
from deployments.event_request import EventsAnswer, EventsRequest
from deployments.metric_shapes import Overview, Reasons, VpiGrid
from deployments.routes import health, score, session
from deployments.score_answer import ScoreAnswer
from deployments.score_request import ScoreRequest
from deployments.security import Guard, HttpMeter

Lifespan = Callable[[FastAPI], AbstractAsyncContextManager[None]]
DESCRIPTION = "Decides, in milliseconds, which brand's bid should win an ad slot."
# What is decoded or encoded by msgspec, and so documented by it.
SHAPES: list[type[Struct]] = [
    ScoreRequest,
    ScoreAnswer,
    EventsRequest,
    EventsAnswer,
    DecisionPage,
    Decision,
    VpiGrid,
    Reasons,
    Overview,
]


def build(
    score_handler: ScoreHandler,
    readiness: Callable[[], dict[str, Any]],
    access: Access,
    routers: Iterable[APIRouter] = (),
    *,
    lifespan: Lifespan | None = None,
    meter: HttpMeter | None = None,
    version: str = "0.1.0",
) -> FastAPI:
    """The application around what its routes need; `routers` are those with stores behind."""
    app = FastAPI(
        title="AdBid Optimizer", description=DESCRIPTION, version=version, lifespan=lifespan
    )
    problems.install(app)
    app.add_middleware(BodyLimit)
    app.add_middleware(Guard, meter=meter)
    app.include_router(health.build(readiness))
    app.include_router(score.build(score_handler, access))
    app.include_router(session.build(access))
    for router in routers:
        app.include_router(router)
    if open_to_all := undeclared_routes(app):
        raise RuntimeError(f"routes without access.require(...) or PUBLIC: {open_to_all}")
    spa.install(app)
    openapi.install(app, SHAPES)
    return app
