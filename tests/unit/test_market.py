from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest

from bidding.errors import InvalidRequest
from cli.simulate_commands import open_market, seconds_of
from cli.simulation.outcomes import draw
from cli.simulation.traffic import Offer, Traffic, Visit
from deployments.score_request import decode
from training.market import Columns, Market, MarketShape, load_market, make_market

START = datetime(2026, 11, 22, tzinfo=UTC)
SMALL = MarketShape(slots=5, brands=4, segments=6)


@pytest.fixture(scope="module")
def market() -> Market:
    return make_market(7, SMALL)


def columns(market: Market, n: int = 1, **changes: object) -> Columns:
    fields: dict[str, object] = {
        "slot": [market.slots[0]] * n,
        "brand": [market.brands[0]] * n,
        "device_type": ["mobile"] * n,
        "creative_type": ["banner"] * n,
        "creative": [""] * n,
        "segments": [()] * n,
        "hour": [0] * n,
    }
    return Columns(**fields | changes)  # type: ignore[arg-type]


def test_a_seed_makes_one_market(market: Market) -> None:
    again, other = make_market(7, SMALL), make_market(8, SMALL)
    rates = [m.rates(columns(m))[0][0] for m in (market, again, other)]
    assert rates[0] == rates[1] != rates[2]


def test_a_market_in_a_file_is_the_same_market(market: Market, tmp_path: Path) -> None:
    market.save(tmp_path / "market.json")
    loaded = load_market(tmp_path / "market.json")
    asked = columns(market, 24, segments=[market.segments[:2]] * 24, hour=list(range(24)))
    for true, kept in zip(market.rates(asked), loaded.rates(asked), strict=True):
        np.testing.assert_array_equal(true, kept)


def test_a_file_that_is_there_is_not_made_anew(tmp_path: Path) -> None:
    path = tmp_path / "market.json"
    assert open_market(path, 1).seed == 1
    assert open_market(path, 2).seed == 1


def test_what_the_market_does_not_know_has_no_effect(market: Market) -> None:
    plain = market.rates(columns(market))[0]
    assert market.rates(columns(market, segments=[("sim:999",)]))[0] == plain
    strange = columns(market, slot=["elsewhere"], brand=["nobody"], device_type=["watch"])
    assert market.rates(strange)[0][0] == pytest.approx(MarketShape().ctr)


def test_every_part_of_the_context_moves_the_rate(market: Market) -> None:
    plain = market.rates(columns(market))[0][0]
    for change in (
        {"slot": [market.slots[1]]},
        {"brand": [market.brands[1]]},
        {"device_type": ["tablet"]},
        {"creative_type": ["video"]},
        {"creative": [f"{market.brands[0]}/c2"]},
        {"segments": [market.segments[:1]]},
        {"hour": [12]},
    ):
        assert market.rates(columns(market, **change))[0][0] != plain, change


def test_visits_are_requests_that_we_take_with_their_true_rates(market: Market) -> None:
    traffic = Traffic(market, np.random.default_rng(1), bids=3)
    visits = list(traffic.visits(START, timedelta(minutes=10), 144))
    assert [visit.at for visit in visits[::143]] == [START, START + timedelta(minutes=1430)]
    for visit in visits:
        request = decode(msgspec.json.encode(visit.body))
        assert request.at(START) == visit.at
        assert {bid.bid_id for bid in request.bids} == set(visit.offers)
    visit, (bid_id, offer) = visits[5], next(iter(visits[5].offers.items()))
    bid = next(each for each in visit.body["bids"] if each["bid_id"] == bid_id)
    asked = columns(
        market,
        slot=[visit.body["slot"]],
        brand=[bid["brand"]],
        device_type=[visit.body["device_type"]],
        creative_type=[bid["creative_type"]],
        creative=[bid["creative"]],
        segments=[visit.body["segments"]],
        hour=[visit.at.hour],
    )
    ctr, cvr = market.rates(asked)
    assert (offer.ctr, offer.cvr) == (pytest.approx(ctr[0]), pytest.approx(cvr[0]))


def test_events_follow_the_true_rates_and_their_order() -> None:
    rng = np.random.default_rng(1)
    offer = Offer("sim:brand-1", "CPC", "video", ctr=0.3, cvr=0.5)
    visit = Visit(START, {"slot": "sim:slot-1", "device_type": "mobile"}, {"b1": offer})
    drawn = [draw("d1", visit, "b1", rng) for _ in range(4000)]
    clicks, orders = (sum(len(each) > n for each in drawn) for n in (1, 2))
    assert clicks / len(drawn) == pytest.approx(0.3, abs=0.03)
    assert orders / clicks == pytest.approx(0.5, abs=0.05)
    for reports in drawn:
        assert [r.type for r in reports] == ["impression", "click", "conversion"][: len(reports)]
        assert sorted(reports, key=lambda r: r.at) == reports
        assert all(report.body()["simulated"] for report in reports)


@pytest.mark.parametrize(
    ("text", "seconds"), [("90s", 90), ("30m", 1800), ("24h", 86_400), ("0.5d", 43_200)]
)
def test_durations_are_read(text: str, seconds: float) -> None:
    assert seconds_of("duration", text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "-1h", "1w"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest, match="duration"):
        seconds_of("duration", text)
