"""`/api/events`, `/api/decisions` and `/api/metrics` over HTTP, on the stores' twins."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import numpy as np
import pytest

from deployments import api
from deployments.access import Access
from deployments.event_intake import EventIntake
from deployments.routes import decisions, events, metrics
from stores.audit import Author
from stores.decision_types import bids_row_of, row_of
from stores.event_settings import IngestSettings
from stores.feature_types import SlotKey
from stores.memory_decisions import MemoryDecisions
from stores.memory_events import MemoryEvents
from stores.memory_keys import MemoryKeys
from stores.memory_metrics import MemoryMetrics
from stores.memory_model_changes import MemoryModelChanges
from stores.model_changes import Kind, Move
from stores.model_registry import CHAMPION, CTR_MODEL
from tests.api_cases import bearer, no_score
from tests.decision_cases import a_decision


def lately() -> datetime:
    """A minute ago: a test may run long after this module was read."""
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=1)


@dataclass
class Service:
    client: httpx.AsyncClient
    decisions: MemoryDecisions
    events: MemoryEvents
    keys: MemoryKeys
    changes: MemoryModelChanges
    replicas: list[dict[str, Any]]

    async def get(self, path: str, **query: Any) -> httpx.Response:
        return await self.client.get(path, params=query)

    async def report(self, *reports: dict[str, Any]) -> httpx.Response:
        return await self.client.post("/api/events", json={"events": list(reports)})


def readiness() -> dict[str, Any]:
    return {"ready": True, "degraded": ["redis"], "models": {"ctr": "3", "cvr": None}}


@pytest.fixture
async def service() -> AsyncIterator[Service]:
    log, keys, changes = MemoryDecisions(), MemoryKeys(), MemoryModelChanges()
    twin = MemoryEvents(log, range(1, 9), range(1, 7))
    access = Access(keys, scoring_open=True)
    names = {number: f"no. {number}" for number in range(1, 9)}
    sums = MemoryMetrics(twin.performance, log, names, names, names, dict.fromkeys(names, 1))

    async def find_slot(key: SlotKey) -> int:
        return int(key)

    async def find_brand(key: int | str) -> int | None:
        return int(key)

    replicas: list[dict[str, Any]] = []

    async def reports() -> list[dict[str, Any]]:
        return replicas

    intake = EventIntake(twin, IngestSettings(), find_slot, find_brand)
    routers = [
        events.build(intake, access),
        decisions.build(log, access, kept_days=35),
        metrics.build(sums, changes, readiness, reports, access, kept_s=0.0),
    ]
    app = api.build(no_score, readiness, access, routers)
    token = (await keys.create("tester", ["view"], Author("test"))).token
    async with httpx.AsyncClient(
        transport=httpx.ASGITransport(app), base_url="http://test", headers=bearer(token)
    ) as client:
        yield Service(client, log, twin, keys, changes, replicas)


async def decide(service: Service, count: int = 1) -> list[str]:
    made = [
        a_decision(number, lately() - timedelta(seconds=count - number), bids=4, took_ms=3.0)
        for number in range(1, count + 1)
    ]
    await service.decisions.record([row_of(d) for d in made], [bids_row_of(d) for d in made])
    return [str(decision.decision_id) for decision in made]


def a_report(type_: str, decision_id: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "event_id": str(uuid4()),
        "type": type_,
        "decision_id": decision_id,
        "occurred_at": lately().isoformat(),
    } | changes


async def test_events_are_202_once_kept(service: Service) -> None:
    (decision,) = await decide(service)
    impression = a_report("impression", decision)
    answer = await service.report(impression, a_report("click", decision), impression)
    assert answer.status_code == 202
    assert answer.json() == {"accepted": 2, "duplicates": 1, "rejected": []}


async def test_a_wrong_event_is_422_and_names_its_path(service: Service) -> None:
    (decision,) = await decide(service)
    answer = await service.report(a_report("impression", decision), a_report("view", decision))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == "events[1].type"
    assert service.events.events == {}


async def test_a_database_that_is_away_is_503_with_retry_after(service: Service) -> None:
    service.events.down = True
    answer = await service.report(a_report("impression", str(uuid4())))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"


async def test_what_is_no_json_is_415(service: Service) -> None:
    answer = await service.client.post(
        "/api/events", content=b"<x/>", headers={"content-type": "text/xml"}
    )
    assert answer.status_code == 415


async def test_decisions_are_listed_newest_first_page_by_page(service: Service) -> None:
    made = await decide(service, 5)
    first = (await service.get("/api/decisions", limit=3)).json()["items"]
    assert [item["decision_id"] for item in first] == made[:1:-1]
    rest = await service.get("/api/decisions", before=first[-1]["decision_id"])
    assert [item["decision_id"] for item in rest.json()["items"]] == made[1::-1]
    assert first[0]["bids"] == 4


async def decide_at_once(service: Service, count: int) -> list[str]:
    """Decisions of one millisecond and an earlier one, newest first."""
    now = lately()
    made = [a_decision(number, now, bids=1) for number in range(count, 1, -1)]
    made.append(a_decision(1, now - timedelta(milliseconds=1), bids=1))
    await service.decisions.record([row_of(decision) for decision in made], [])
    return [str(decision.decision_id) for decision in made]


async def test_decisions_of_one_millisecond_are_paged_by_id(service: Service) -> None:
    made = await decide_at_once(service, 120)
    paged: list[str] = []
    for _ in range(3):
        before = {"before": paged[-1]} if paged else {}
        page = (await service.get("/api/decisions", limit=50, **before)).json()["items"]
        paged += [item["decision_id"] for item in page]
    assert paged == made


async def test_a_time_leaves_out_nothing_of_its_millisecond(service: Service) -> None:
    made = await decide_at_once(service, 5)
    (first,) = (await service.get("/api/decisions", limit=1)).json()["items"]
    rest = (await service.get("/api/decisions", before=first["decided_at"])).json()["items"]
    assert [item["decision_id"] for item in rest] == made


async def test_decisions_are_found_by_slot_brand_and_reason(service: Service) -> None:
    await decide(service, 3)
    for query, found in (({"slot_id": 7}, 3), ({"slot_id": 6}, 0), ({"reason": "OUTBID"}, 3)):
        items = (await service.get("/api/decisions", **query)).json()["items"]
        assert len(items) == found, query
    unknown = (await service.get("/api/decisions", brand_id=4, reason="UNKNOWN_BRAND")).json()
    assert unknown["items"] == []


@pytest.mark.parametrize(
    ("query", "path"),
    [
        ({"reason": "BAD_LUCK"}, "reason"),
        ({"before": "yesterday"}, "before"),
        ({"limit": 0}, "limit"),
        ({"slot_id": "x"}, "slot_id"),
        ({"slot": 7}, "slot"),
    ],
)
async def test_a_wrong_filter_is_422(service: Service, query: dict[str, Any], path: str) -> None:
    answer = await service.get("/api/decisions", **query)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["path"] == path


async def test_one_decision_has_its_bids_whose_factors_make_the_value(service: Service) -> None:
    (decision,) = await decide(service)
    found = (await service.get(f"/api/decisions/{decision}")).json()
    assert [bid["rank"] for bid in found["results"]] == [1, 2, 3, None]
    assert found["winner_bid_id"] == found["results"][0]["bid_id"]
    assert found["context"]["segments"] == ["10063", "news"]
    assert found["results"][-1]["reason"] == "UNKNOWN_BRAND"
    for bid in found["results"][:3]:
        product = bid["base_value"] * bid["quality_multiplier"] * bid["vpi_multiplier"]
        assert bid["vpi"] == pytest.approx(product)


async def test_a_bid_is_shown_with_the_limits_that_it_gave(service: Service) -> None:
    made = a_decision(1, lately(), bids=2)
    limited = replace(made.evaluation.bids, min_vpi=np.array([0.002, np.nan]))
    made = replace(made, evaluation=replace(made.evaluation, bids=limited))
    await service.decisions.record([row_of(made)], [bids_row_of(made)])
    found = (await service.get(f"/api/decisions/{made.decision_id}")).json()["results"]
    assert {bid["bid_id"]: (bid["min_vpi"], bid["max_vpi"]) for bid in found} == {
        "b1": (0.002, None),
        "b2": (None, None),
    }


async def test_an_unknown_decision_is_404(service: Service) -> None:
    assert (await service.get(f"/api/decisions/{uuid4()}")).status_code == 404
    assert (await service.get("/api/decisions/d1")).status_code == 422


async def test_value_is_revenue_per_impression_with_its_interval(service: Service) -> None:
    here = {"slot_id": 7, "brand_id": 3, "device_type": "mobile"}
    await service.report(
        *(
            a_report(type_, None, context=here, value=value)
            for type_, value in (("impression", 0.25), ("impression", 0), ("click", 0.75))
        )
    )
    await service.events.advance()
    grid = (await service.get("/api/metrics/vpi", group_by="slot", slot_id=7)).json()
    assert (grid["granularity"], grid["group_by"]) == ("hour", "slot")
    (cell,) = grid["cells"]
    assert (cell["group"], cell["label"], cell["bucket"]) == (7, "no. 7", lately().hour)
    assert (cell["impressions"], cell["clicks"], cell["vpi"], cell["ctr"]) == (2, 1, 0.5, 0.5)
    assert cell["ctr_low"] == pytest.approx(0.0945, abs=1e-4)
    assert cell["ctr_high"] == pytest.approx(0.9055, abs=1e-4)


async def test_a_span_must_have_an_end_after_its_start(service: Service) -> None:
    later = (lately() + timedelta(days=1)).isoformat()
    answer = await service.get("/api/metrics/vpi", **{"from": later, "to": lately().isoformat()})
    assert answer.status_code == 422
    edge = await service.get("/api/metrics/vpi", **{"from": "0001-01-01T00:00:00+14:00"})
    assert edge.status_code == 422


async def test_reasons_are_counted_by_hour(service: Service) -> None:
    await decide(service, 3)
    cells = (await service.get("/api/metrics/reasons")).json()["cells"]
    totals: dict[str, int] = {}
    for cell in cells:
        totals[cell["reason"]] = totals.get(cell["reason"], 0) + cell["bids"]
    assert totals == {"WON": 3, "UNKNOWN_BRAND": 3, "OUTBID": 6}


@pytest.mark.parametrize("minutes", [1, 15, 600])
async def test_the_overview_says_what_happens_now(service: Service, minutes: int) -> None:
    await decide(service, 3)
    overview = (await service.get("/api/metrics/overview", minutes=minutes)).json()
    now = overview["now"]
    assert now["requests_per_s"] > 0
    assert (now["win_rate"], now["degraded_share"]) == (1.0, 0.0)
    assert now["p95_ms"] == pytest.approx(3.0, rel=0.05)
    assert now["models"] == {"ctr": "3", "cvr": None}
    assert overview["banners"][0]["text"] == "Answering without: redis"
    assert overview["series"] or minutes == 1  # they were decided just before it, perhaps
    assert abs(datetime.fromisoformat(overview["at"]) - datetime.now(UTC)) < timedelta(minutes=1)


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("vpi", {"to": "0001-01-02T00:00:00Z"}),
        ("reasons", {"to": "0001-01-01T12:00:00Z"}),
        ("vpi", {"from": "9999-12-01T00:00:00Z", "to": "9999-12-31T23:30:00Z"}),
        ("reasons", {"from": "9999-12-01T00:00:00Z", "to": "9999-12-31T23:30:00Z"}),
    ],
)
async def test_a_span_at_an_end_of_the_calendar_is_refused(
    service: Service, name: str, span: dict[str, str]
) -> None:
    answer = await service.get(f"/api/metrics/{name}", **span)
    assert answer.status_code == 422
    assert [each["path"] for each in answer.json()["errors"]] == ["to"]


async def test_a_steady_rate_is_steady_from_the_first_point_on(service: Service) -> None:
    """Steps of 56 minutes, as the pages ask for when they show a week."""
    now = datetime.now(UTC)
    made = [
        a_decision(number, now - number * timedelta(minutes=7))
        for number in range(1, 8 * 24 * 60 // 7)
    ]
    await service.decisions.record([row_of(d) for d in made], [])
    overview = (await service.get("/api/metrics/overview", minutes=7 * 24 * 60)).json()
    rates = [point["requests_per_s"] for point in overview["series"]]
    assert min(rates[:-1]) == pytest.approx(max(rates[:-1]))


async def moved(service: Service, kind: Kind, from_version: str, to_version: str) -> None:
    move = Move(CTR_MODEL, CHAMPION, from_version, to_version, kind)
    async with service.changes.locked(CTR_MODEL) as log:
        await log.record(move, Author("overseer", "far too many clicks"))


async def test_the_overview_tells_of_a_rollback_until_the_next_promotion(service: Service) -> None:
    await moved(service, "automatic_rollback", "2", "1")
    banners = (await service.get("/api/metrics/overview")).json()["banners"]
    told = [banner["text"] for banner in banners if banner["kind"] == "rollback"]
    assert told == [f"{CTR_MODEL} went back from v2 to v1, by itself: far too many clicks"]
    await moved(service, "promote", "1", "3")
    banners = (await service.get("/api/metrics/overview")).json()["banners"]
    assert [banner["kind"] for banner in banners] == ["degraded"]


async def test_the_overview_tells_of_versions_that_replicas_refuse(service: Service) -> None:
    def replica(*refused: str, serves: str | None = "3") -> dict[str, Any]:
        reasons = dict.fromkeys(refused, "the contract hash is another")
        return {"models": [{"name": "adbid-ctr", "version": serves, "refused": reasons}]}

    async def told() -> list[str]:
        banners = (await service.get("/api/metrics/overview")).json()["banners"]
        return [banner["text"] for banner in banners if banner["kind"] == "refused"]

    service.replicas += [replica("4"), replica("4", serves=None), replica()]
    assert await told() == [
        "2 of 3 scoring replicas refuse v4 of adbid-ctr and serve no model, v3: "
        "the contract hash is another"
    ]
    service.replicas[:] = [replica("last good")]
    assert (await told())[0].startswith("1 of 1 scoring replicas refuse the last good copy of")
    service.replicas[:] = [replica()]
    assert await told() == []


async def test_reading_needs_a_key_with_view(service: Service) -> None:
    scorer = (await service.keys.create("scorer", ["score"], Author("test"))).token
    for path in ("/api/decisions", "/api/metrics/vpi", "/api/metrics/overview"):
        refused = await service.client.get(path, headers=bearer(scorer))
        assert refused.status_code == 403, path
        nobody = await service.client.get(path, headers={"Authorization": ""})
        assert nobody.status_code == 401, path
