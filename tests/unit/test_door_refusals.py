"""What HAProxies refused is added up, whatever becomes of one of them."""

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from deployments.door_refusals import DoorRefusals


@pytest.fixture
async def doors() -> AsyncIterator[dict[str, str]]:
    """A text for each path; it is what the servers answer."""
    said: dict[str, str] = {}

    async def answer(request: web.Request) -> web.Response:
        return web.Response(text=said[request.path])

    app = web.Application()
    app.router.add_get("/one", answer)
    app.router.add_get("/two", answer)
    async with TestServer(app) as server:
        said["at"] = str(server.make_url("/"))
        yield said


async def test_the_gain_of_all_doors_since_the_last_time(doors: dict[str, str]) -> None:
    refusals = DoorRefusals([doors["at"] + "one", doors["at"] + "two"])
    doors |= {"/one": "5", "/two": "0"}
    assert await refusals.gained() == 0  # whoever asked before has counted those
    doors |= {"/one": "7", "/two": "1"}
    assert await refusals.gained() == 3


async def test_a_door_that_started_anew_counts_from_zero(doors: dict[str, str]) -> None:
    refusals = DoorRefusals([doors["at"] + "one"])
    doors["/one"] = "5"
    await refusals.gained()
    doors["/one"] = "2"
    assert await refusals.gained() == 2


async def test_a_door_that_does_not_answer_keeps_its_count(doors: dict[str, str]) -> None:
    refusals = DoorRefusals([doors["at"] + "one"])
    doors["/one"] = "5"
    await refusals.gained()
    doors["/one"] = "what?"
    assert await refusals.gained() == 0
    doors["/one"] = "6"
    assert await refusals.gained() == 1
    assert await DoorRefusals(["http://127.0.0.1:9/refused"]).gained() == 0
