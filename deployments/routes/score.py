"""`POST /api/score`, declared for FastAPI; `deployments.door` answers it on the hot path."""

import time
from typing import Any

from fastapi import APIRouter, Request, Response

from deployments import door, openapi
from deployments.access import Access
from deployments.score_answer import ScoreAnswer
from deployments.score_request import ScoreRequest

_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: openapi.answer(ScoreAnswer, "The decision: winner, and every bid with its reason"),
    401: openapi.problem("A key is needed here (scoring is open on loopback only)"),
    403: openapi.problem("The key lacks the scope `score`"),
    404: openapi.problem("Unknown slot"),
    413: openapi.problem("More than 1,000 bids or 1 MiB"),
    415: openapi.problem("The body is not JSON, or is compressed"),
    422: openapi.problem("A field is wrong; `errors` names it"),
    503: openapi.problem("Overloaded: try again after Retry-After seconds"),
}


def build(score: door.ScoreHandler, access: Access) -> APIRouter:
    """The router of the scoring route."""
    router = APIRouter(tags=["scoring"])

    @router.post(
        door.SCORE_PATH,
        summary="Rank the bids for one impression of a slot",
        response_class=Response,
        responses=_RESPONSES,
        operation_id="score",
        dependencies=[access.scoring()],
        openapi_extra=openapi.body(ScoreRequest),
    )
    async def rank_bids(request: Request) -> Response:
        at = time.monotonic()
        headers = request.scope["headers"]
        door.check_content_type(headers)
        body = await door.read_body(request.receive, headers)
        return Response(await score(body, headers, at), media_type="application/json")

    return router
