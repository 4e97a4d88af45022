"""`POST /api/events`: impressions, clicks and conversions, kept before they are answered."""

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response

from deployments import door, openapi
from deployments.access import Access
from deployments.event_request import EventsAnswer, EventsRequest

PATH = "/api/events"
Intake = Callable[[bytes], Awaitable[bytes]]


def build(intake: Intake, access: Access) -> APIRouter:
    """The router of the events route."""
    router = APIRouter(tags=["events"])

    @router.post(
        PATH,
        operation_id="report_events",
        summary="Report impressions, clicks and conversions",
        status_code=202,
        response_class=Response,
        responses={
            202: openapi.answer(EventsAnswer, "All that could be taken is committed"),
            **openapi.errors(401, 403, 413, 415, 422, 503),
        },
        dependencies=[access.scoring()],
        openapi_extra=openapi.body(EventsRequest),
    )
    async def report_events(request: Request) -> Response:
        """Up to 1,000 events; each `event_id` counts once, however often it is sent."""
        headers = request.scope["headers"]
        door.check_content_type(headers)
        body = await intake(await door.read_body(request.receive, headers))
        return Response(body, 202, media_type="application/json")

    return router
