"""Strategies, partners, slots and brands over HTTP, on real stores."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.api_cases import Service, a_service

numbers = iter(range(10_000))


@pytest.fixture
async def service(postgres_url: str, redis_url: str) -> AsyncIterator[Service]:
    async with a_service(postgres_url, redis_url) as made:
        yield made


def unique(word: str) -> str:
    return f"{word} {next(numbers)}"


async def made(service: Service, plural: str, **fields: Any) -> dict[str, Any]:
    answer = await service.client.post(f"/{plural}", json=fields)
    assert answer.status_code == 201, answer.text
    return dict(answer.json())


async def a_strategy(service: Service, **changes: Any) -> dict[str, Any]:
    fields = {"name": unique("Strategy"), "vpi_multiplier": 1.5, "priority": 3}
    return await made(service, "strategies", **fields | changes)


async def a_brand(service: Service, strategy_id: int) -> dict[str, Any]:
    key = unique("brand")
    fields = {"external_key": key, "name": key.title(), "strategy_id": strategy_id}
    return await made(service, "brands", **fields, thresholds={"CPC": {"min_vpi": 0.01}})


async def test_a_strategy_is_made_read_changed_and_deleted(service: Service) -> None:
    name = unique("Push")
    answer = await service.client.post(
        "/strategies", json={"name": name, "vpi_multiplier": 1.25, "priority": 7}
    )
    assert answer.status_code == 201
    row = answer.json()
    assert answer.headers["location"] == f"/strategies/{row['id']}"
    assert answer.headers["etag"] == '"1"'
    assert (row["vpi_multiplier"], row["priority"], row["brands"]) == (1.25, 7, 0)
    path = f"/strategies/{row['id']}"
    read = await service.client.get(path)
    assert read.json() == row
    body = {"name": name, "vpi_multiplier": 2, "priority": 7}
    changed = await service.client.put(path, json=body, headers={"If-Match": read.headers["etag"]})
    assert (changed.status_code, changed.json()["version"]) == (200, 2)
    assert changed.headers["etag"] == '"2"'
    gone = await service.client.delete(path, headers={"If-Match": '"2"'})
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await service.client.get(path)).status_code == 404


async def test_two_people_never_overwrite_each_other(service: Service) -> None:
    row = await a_strategy(service)
    path, body = f"/strategies/{row['id']}", {"name": row["name"], "vpi_multiplier": 3}
    blind = await service.client.put(path, json=body)
    assert blind.status_code == 428
    first = await service.client.put(path, json=body, headers={"If-Match": '"1"'})
    late = await service.client.put(
        path, json=body | {"vpi_multiplier": 4}, headers={"If-Match": '"1"'}
    )
    assert (first.status_code, late.status_code) == (200, 412)
    assert late.json()["current"] == first.json()
    assert (await service.client.delete(path)).status_code == 428
    stale = await service.client.delete(path, headers={"If-Match": '"1"'})
    assert stale.status_code == 412
    odd = await service.client.put(path, json=body, headers={"If-Match": "2"})
    assert (odd.status_code, odd.json()["errors"][0]["path"]) == (422, "If-Match")
    for other in ('"abc"', 'W/"2"', '""', '"99999999999999999999"', '"02"', '"-2"'):
        foreign = await service.client.put(path, json=body, headers={"If-Match": other})
        assert (foreign.status_code, foreign.json()["current"]) == (412, first.json()), other
        nowhere = await service.client.delete("/strategies/999999", headers={"If-Match": other})
        assert nowhere.status_code == 404
    forced = await service.client.put(path, json=body, headers={"If-Match": "*"})
    assert forced.status_code == 200


async def test_a_strategy_in_use_is_kept_and_its_brands_are_named(service: Service) -> None:
    strategy = await a_strategy(service)
    brand = await a_brand(service, strategy["id"])
    path = f"/strategies/{strategy['id']}"
    refused = await service.client.delete(path, headers={"If-Match": "*"})
    assert refused.status_code == 409
    assert brand["name"] in refused.json()["detail"]
    assert (await service.client.get(path)).json()["brands"] == 1


@pytest.mark.parametrize(
    ("plural", "fields", "path"),
    [
        ("strategies", {"name": "x", "vpi_multiplier": 0}, "vpi_multiplier"),
        ("strategies", {"name": "x", "vpi_multiplier": 10.1}, "vpi_multiplier"),
        ("strategies", {"name": "x", "vpi_multiplier": "NaN"}, "vpi_multiplier"),
        ("strategies", {"name": "x", "vpi_multiplier": 1, "priority": 1.5}, "priority"),
        ("strategies", {"name": "", "vpi_multiplier": 1}, "name"),
        ("strategies", {"name": "a\x00b", "vpi_multiplier": 1}, "name"),
        ("strategies", {"name": "\ud800", "vpi_multiplier": 1}, "name"),
        ("strategies", {"name": "x", "vpi_multiplier": 1, "oops": 1}, "oops"),
        ("strategies", {"vpi_multiplier": 1}, "name"),
        ("partners", {"external_key": "k", "name": "n", "quality": 1.1}, "quality"),
        ("partners", {"external_key": "k", "name": "n", "bought_by": "CPA"}, "bought_by"),
        ("slots", {"external_key": "k", "name": "n", "partner_id": 10**9}, "partner_id"),
        ("slots", {"external_key": "k", "name": "n", "partner_id": 1, "floor": -1}, "floor"),
        ("slots", {"external_key": "k", "name": "n", "partner_id": 1, "width": 0}, "width"),
        ("brands", {"external_key": "k", "name": "n", "strategy_id": 10**9}, "strategy_id"),
        (
            "brands",
            {
                "external_key": "k",
                "name": "n",
                "strategy_id": 1,
                "thresholds": {"CPC": {"min_vpi": 2, "max_vpi": 1}},
            },
            "thresholds.CPC",
        ),
    ],
)
async def test_a_wrong_field_is_named(
    service: Service, plural: str, fields: dict[str, Any], path: str
) -> None:
    answer = await service.client.post(
        f"/{plural}", content=json.dumps(fields), headers={"content-type": "application/json"}
    )
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["errors"][0]["path"] == path


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=501", "offset=-1", "limit=x", "name=%00", "paused=maybe", "nmae=x"]
)
async def test_a_wrong_query_is_refused(service: Service, query: str) -> None:
    answer = await service.client.get(f"/slots?{query}")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == query.split("=")[0]


async def test_a_list_is_paged_and_filtered(service: Service) -> None:
    strategy = await a_strategy(service)
    brands = [await a_brand(service, strategy["id"]) for _ in range(5)]
    found = (
        await service.client.get(f"/brands?strategy_id={strategy['id']}&limit=2&offset=2")
    ).json()
    assert [row["id"] for row in found["items"]] == [brand["id"] for brand in brands[2:4]]
    assert (found["total"], found["limit"], found["offset"]) == (5, 2, 2)
    by_name = (
        await service.client.get("/brands", params={"name": brands[3]["name"].upper()})
    ).json()
    assert [row["id"] for row in by_name["items"]] == [brands[3]["id"]]
    none = (await service.client.get(f"/brands?strategy_id={strategy['id']}&paused=true")).json()
    assert none["items"] == []


async def test_who_why_and_what_is_in_the_audit_log_and_can_be_undone(service: Service) -> None:
    row = await a_strategy(service, reason="a launch")
    path = f"/strategies/{row['id']}"
    body = {"name": row["name"], "vpi_multiplier": 9, "priority": 3}
    headers = {"If-Match": "*", "X-Reason": "zu%20sp%C3%A4t"}
    await service.client.put(path, json=body, headers=headers)
    log = (await service.client.get(f"/audit?entity=strategy&entity_id={row['id']}")).json()
    assert log["total"] == 2
    change, made_it = log["items"]
    assert (change["reason"], made_it["reason"]) == ("zu spät", "a launch")
    assert change["actor"].startswith("tester (")
    assert (change["before"]["vpi_multiplier"], change["after"]["vpi_multiplier"]) == (1.5, 9.0)
    undone = await service.client.post(f"/audit/{change['id']}/revert", json={"reason": "too much"})
    assert undone.status_code == 200
    assert undone.json()["reverts_id"] == change["id"]
    assert (await service.client.get(path)).json()["vpi_multiplier"] == 1.5
    twice = await service.client.post(f"/audit/{change['id']}/revert", json={"reason": "again"})
    assert twice.status_code == 409
    unknown = await service.client.post(f"/audit/{10**12}/revert", json={"reason": "x"})
    assert unknown.status_code == 404
    empty = await service.client.post("/audit/1/revert", json={"reason": ""})
    assert empty.status_code == 422


@pytest.mark.parametrize("body", [{}, {"json": {}}, {"json": {"reason": None}}])
async def test_an_undo_needs_no_reason(service: Service, body: dict[str, Any]) -> None:
    row = await a_strategy(service)
    path = f"/strategies/{row['id']}"
    fields = {"name": row["name"], "vpi_multiplier": 9}
    await service.client.put(path, json=fields, headers={"If-Match": "*"})
    [change, _] = (
        await service.client.get(f"/audit?entity=strategy&entity_id={row['id']}")
    ).json()["items"]
    undone = await service.client.post(f"/audit/{change['id']}/revert", **body)
    assert (undone.status_code, undone.json()["reason"]) == (200, None)
    assert (await service.client.get(path)).json()["vpi_multiplier"] == 1.5


async def test_reading_needs_view_and_writing_needs_ops(service: Service) -> None:
    viewer, scorer = await service.key("view"), await service.key("score")
    body = {"name": unique("s"), "vpi_multiplier": 1}
    client = service.client
    assert (await client.get("/strategies", headers=viewer)).status_code == 200
    assert (await client.get("/strategies", headers=scorer)).status_code == 403
    assert (await client.post("/strategies", json=body, headers=viewer)).status_code == 403
    no_key = {"Authorization": ""}
    for method, path in (("GET", "/slots"), ("POST", "/brands"), ("DELETE", "/partners/1")):
        assert (await client.request(method, path, headers=no_key)).status_code == 401


async def test_a_broken_body_is_422_and_a_wrong_method_405(service: Service) -> None:
    headers = {"content-type": "application/json"}
    broken = await service.client.post("/strategies", content=b"{", headers=headers)
    assert (broken.status_code, broken.json()["errors"][0]["path"]) == (422, "body")
    binary = await service.client.post("/strategies", content=b"\xff\xfe", headers=headers)
    assert binary.status_code in (400, 422)
    wrong = await service.client.patch("/strategies/1", json={})
    assert wrong.status_code == 405
    assert "PUT" in wrong.headers["allow"]


async def test_a_body_that_never_ends_is_not_read(service: Service) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b" " * 65_536

    for content in (endless(), b" " * (1 << 21)):
        answer = await service.client.post("/strategies", content=content)
        assert (answer.status_code, answer.json()["status"]) == (413, 413)
