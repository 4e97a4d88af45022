"""Imports on a real PostgreSQL: nothing lost, nothing counted twice."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import psycopg
import pytest

from bidding.errors import InvalidRequest
from bidding.posterior import Prior
from bidding.priors import PriorFit
from cli.embedded import prepare_database
from stores.changes import ANNOUNCE_PSYCOPG, EVERYTHING
from stores.estimation_settings import EstimationSettings, load_estimation
from stores.importing.import_ipinyou import IpinyouOptions, import_ipinyou
from stores.importing.import_performance import PerformanceOptions, import_performance
from stores.importing.mapping import Mapping, load_mapping
from stores.importing.reject import WrongHeader
from stores.importing.source import Report
from stores.priors import write_priors
from stores.settings import PROJECT_ROOT
from stores.totals import apply_half_life
from tests.ipinyou_log import write_log

WEEK = date(2026, 11, 16)
REPORT = "day,place,camp,shown,clicked,bought,value\n"


def mapping(**changes: object) -> Mapping:
    columns = {
        "slot": "place",
        "brand": "camp",
        "impressions": "shown",
        "clicks": "clicked",
        "conversions": "bought",
        "revenue": "value",
    }
    fields = {"name": "test", "columns": columns, "when": {"at": "day"}, "missing_keys": ["", "?"]}
    return Mapping.model_validate(fields | changes)


def quiet(_rows: int, _share: float) -> None:
    return


def totals(url: str) -> tuple[int, ...]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(impressions), sum(clicks), sum(conversions) FROM performance"
        ).fetchone()
        pairs = connection.execute(
            "SELECT sum(impressions), sum(clicks), sum(conversions) FROM pair_total"
        ).fetchone()
    assert row == pairs
    return tuple(int(value or 0) for value in row or ())


def import_log(url: str, path: Path, weight: float = 1.0) -> Report:
    options = IpinyouOptions(weight, WEEK, path.with_suffix(".rejects"))
    return import_ipinyou(url, path, options, quiet)


def import_report(url: str, path: Path, found: Mapping | None = None) -> Report:
    options = PerformanceOptions(found or mapping(), path.with_suffix(".rejects"))
    return import_performance(url, path, options, quiet)


def test_a_log_keeps_its_totals_whatever_the_weight(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    before = totals(empty_postgres_url)
    path = write_log(tmp_path / "log.csv.gz", 1_000, seed=5)
    clicks = int((pl.read_csv(path)["click"] == 1).sum())
    report = import_log(empty_postgres_url, path, weight=84.38)
    impressions, clicked, _ = (
        now - then for now, then in zip(totals(empty_postgres_url), before, strict=True)
    )
    assert (report.rows, report.accepted, sum(report.rejected.values())) == (1_000, 1_000, 0)
    assert clicked == clicks
    assert impressions == clicks + round(84.38 * (1_000 - clicks))


def test_the_same_log_again_changes_nothing(empty_postgres_url: str, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.csv.gz", 200, seed=6)
    import_log(empty_postgres_url, path)
    before = totals(empty_postgres_url)
    assert import_log(empty_postgres_url, path).already
    assert totals(empty_postgres_url) == before


def test_an_overlapping_log_adds_only_its_new_rows(empty_postgres_url: str, tmp_path: Path) -> None:
    path = write_log(tmp_path / "all.csv.gz", 300, seed=7)
    part = tmp_path / "part.csv"
    pl.read_csv(path, infer_schema=False).head(100).write_csv(part)
    import_log(empty_postgres_url, part)
    before = totals(empty_postgres_url)
    report = import_log(empty_postgres_url, path)
    assert report.accepted == 200
    assert report.notes["rows that were there already"] == 100
    assert totals(empty_postgres_url)[0] == before[0] + 200


def test_bad_lines_of_a_log_are_counted_by_kind_with_their_line(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    frame = pl.read_csv(write_log(tmp_path / "log.csv.gz", 10, seed=8), infer_schema=False)
    frame[1, "payprice"] = "-5"
    frame[3, "hour"] = "25"
    frame[5, "click"] = "maybe"
    path = tmp_path / "bad.csv"
    frame.write_csv(path)
    report = import_log(empty_postgres_url, path)
    assert report.accepted == 7
    assert dict(report.rejected) == {"negative price": 1, "unknown value": 1, "unparsable": 1}
    lines = path.with_suffix(".rejects").read_text().splitlines()[1:]
    assert [line.split(",")[0] for line in lines] == ["3", "5", "7"]


def test_a_wrong_header_is_refused_naming_what_is_missing(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "other.csv"
    path.write_text("click,weekday\n1,2\n")
    with pytest.raises(WrongHeader, match="slotid") as refused:
        import_log(empty_postgres_url, path)
    assert "bidid" in {problem.path for problem in refused.value.problems}


def test_a_report_says_what_it_did_with_every_kind_of_row(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "report.csv"
    path.write_text(
        REPORT
        + "2026-11-01,top,a,100,10,1,5.5\n"
        + "2026-11-01,top,a,50,5,0,0\n"
        + "2026-11-01,?,a,10,1,0,0\n"
        + "2026-11-01,top,a,0,0,0,0\n"
        + "2026-11-01,top,b,10,11,0,0\n"
        + "2026-11-01,top,b,10,1,2,0\n"
        + "2026-11-01,top,b,many,1,0,0\n"
        + "yesterday,top,b,10,1,0,0\n"
        + "2026-11-01,top,b,10,1,0,-3\n"
        + "2026-11-01,top,b,10\n"
    )
    before = totals(empty_postgres_url)
    report = import_report(empty_postgres_url, path)
    after = totals(empty_postgres_url)
    assert (report.rows, report.accepted) == (10, 4)
    assert dict(report.rejected) == {
        "clicks > impressions": 1,
        "conversions > clicks": 1,
        "unparsable": 2,
        "negative": 1,
        "wrong number of columns": 1,
    }
    assert dict(report.notes) == {
        "without a slot, kept as 'unknown'": 1,
        "kept with no impressions": 1,
        "added to a row with the same keys": 2,
    }
    assert [now - then for now, then in zip(after, before, strict=True)] == [160, 16, 1]


def test_a_parquet_report_is_the_same_as_its_csv(empty_postgres_url: str, tmp_path: Path) -> None:
    frame = pl.DataFrame(
        {"day": ["2026-11-02"], "place": ["p"], "camp": ["c"], "shown": [7], "clicked": [2],
         "bought": [1], "value": [1.5]}
    )  # fmt: skip
    path = tmp_path / "report.parquet"
    frame.write_parquet(path)
    before = totals(empty_postgres_url)
    assert import_report(empty_postgres_url, path).accepted == 1
    after = totals(empty_postgres_url)
    assert [now - then for now, then in zip(after, before, strict=True)] == [7, 2, 1]


def test_the_shipped_mapping_reads_its_report(empty_postgres_url: str, tmp_path: Path) -> None:
    path = tmp_path / "campaigns.csv"
    path.write_text(
        "month,day,campaign_number,user_engagement,banner,placement,displays,cost,clicks,revenue,"
        "post_click_conversions,post_click_sales_amount\n"
        "April,1,camp 1,High,160 x 600,abc,400,0.6,20,3,2,90.5\n"
        "April,1,camp 1,High,160 x 600,#N/A,400,0.6,1,3,2,90.5\n"
    )
    found = load_mapping(PROJECT_ROOT / "configs/imports/display_campaigns.yaml")
    report = import_report(empty_postgres_url, path, found)
    assert (report.accepted, dict(report.rejected)) == (1, {"conversions > clicks": 1})


def test_a_device_that_the_mapping_does_not_list_is_rejected(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "devices.csv"
    path.write_text("day,place,camp,shown,clicked,on\n" + "2026-11-03,p,c,5,1,mobile\n" * 2)
    with path.open("a") as file:
        file.write("2026-11-03,p,c,5,1,toaster\n")
    columns = {"slot": "place", "brand": "camp", "impressions": "shown", "clicks": "clicked"}
    listed = mapping(columns=columns | {"device_type": "on"}, device_types=["mobile"])
    report = import_report(empty_postgres_url, path, listed)
    assert (report.accepted, dict(report.rejected)) == (2, {"unknown value": 1})
    assert "4,unknown value,unknown value: device_type" in path.with_suffix(".rejects").read_text()


def test_a_mapping_with_a_misspelt_field_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "mapping.yaml"
    path.write_text("name: x\ncolumns: {slott: place}\nwhen: {at: day}\n")
    with pytest.raises(InvalidRequest) as refused:
        load_mapping(path)
    assert "columns.slott" in {problem.path for problem in refused.value.problems}


def test_values_that_no_column_holds_are_rejects_and_never_errors(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    frame = pl.read_csv(write_log(tmp_path / "log.csv.gz", 10, seed=9), infer_schema=False)
    frame[1, "slotwidth"] = str(2**40)
    frame[2, "slotheight"] = "0"
    frame[3, "payprice"] = "1e12"
    frame[4, "domain"] = "d" * 201
    frame[5, "adexchange"] = "9" * 195
    frame[6, "slotvisibility"] = "Sideways"
    frame[7, "city"] = "\\N"
    path = tmp_path / "odd.csv"
    frame.write_csv(path)
    report = import_log(empty_postgres_url, path)
    assert report.accepted == 5
    assert dict(report.rejected) == {"unknown value": 2, "out of range": 1, "too long": 2}
    assert report.notes["of unknown visibility, placed at 0.5"] >= 1


def test_numbers_and_names_of_a_report_have_bounds(empty_postgres_url: str, tmp_path: Path) -> None:
    path = tmp_path / "odd.csv"
    path.write_bytes(
        REPORT.encode()
        + b"2026-11-04,odd,odd,100,10,1,5\n"
        + b"2026-11-04,odd,odd,9000000000000000,10,1,5\n"
        + b"2026-11-04,odd,odd,100,10,1,1e30\n"
        + b"0001-01-01,odd,odd,100,10,1,5\n"
        + b"2026-11-04," + b"s" * 201 + b",odd,100,10,1,5\n"
        + b"2026-11-04,\xff,odd,100,10,1,5\n"
        + b"2026-11-04,a\0b,odd,100,10,1,5\n"
        + b"2026-11-04,\\N,odd,100,10,1,5\n"
    )  # fmt: skip
    report = import_report(empty_postgres_url, path)
    assert (report.rows, report.accepted) == (8, 2)
    assert dict(report.rejected) == {
        "out of range": 3,
        "too long": 1,
        "not UTF-8": 1,
        "NUL byte": 1,
    }
    lines = path.with_suffix(".rejects").read_text().splitlines()[1:]
    assert sorted(int(line.split(",")[0]) for line in lines) == [3, 4, 5, 6, 7, 8]
    with psycopg.connect(empty_postgres_url) as connection:
        found = connection.execute("SELECT FROM slot WHERE external_key = '\\N'").fetchall()
    assert len(found) == 1


def test_performance_is_stored_with_the_click_prior_in_force(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "first.csv"
    path.write_text(REPORT + "2026-11-01,prior-slot,prior-brand,1000,20,2,5\n")
    import_report(empty_postgres_url, path)
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute("DELETE FROM vertical_prior")
        connection.execute(
            "INSERT INTO vertical_prior VALUES ('', 'ctr', 2, 400, 0.005, 0.004, 0.006, 9),"
            " ('news', 'ctr', 1, 50, 0.02, 0.01, 0.03, 9), ('', 'cvr', 7, 8, 0.9, 0.8, 0.95, 9)"
        )
        connection.execute("UPDATE slot SET vertical = 'news' WHERE external_key = 'prior-slot'")
    again = tmp_path / "again.csv"
    again.write_text(
        REPORT
        + "2026-11-01,prior-slot,prior-brand,10,0,0,0\n"
        + "2026-11-01,prior-other,prior-brand,10,0,0,0\n"
    )
    assert prior_of(empty_postgres_url, "prior-slot") == (3, 100)
    import_report(empty_postgres_url, again)
    assert prior_of(empty_postgres_url, "prior-slot") == (1, 50)
    assert prior_of(empty_postgres_url, "prior-other") == (2, 400)


def prior_of(url: str, slot: str) -> tuple[float, float]:
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT prior_clicks, prior_imps FROM performance p JOIN slot s ON s.id = p.slot_id"
            " WHERE s.external_key = %s",
            (slot,),
        ).fetchone()
    assert row is not None
    return row


def test_the_audit_log_tells_of_imports_and_of_fitted_priors(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = tmp_path / "audited.csv"
    path.write_text(REPORT + "2026-11-01,a,b,1000,20,2,5\n2026-11-01,a,c,10,20,2,5\n")
    import_report(empty_postgres_url, path)
    import_report(empty_postgres_url, path)
    fit = PriorFit(Prior(2, 400), 0.005, 0.004, 0.006, 9)
    write_priors(empty_postgres_url, {("", "ctr"): fit}, actor="someone")
    with psycopg.connect(empty_postgres_url) as connection:
        rows = connection.execute(
            "SELECT actor, entity, action, after FROM audit_log WHERE entity <> 'seed' ORDER BY id"
        ).fetchall()
    imports = [row for row in rows if row[1] == "import" and row[3]["file"] == "audited.csv"]
    assert len(imports) == 1
    assert imports[0][3] | {"rows": 2, "accepted": 1} == imports[0][3]
    assert imports[0][3]["rejected"] == {"clicks > impressions": 1}
    actor, entity, action, after = rows[-1]
    assert (actor, entity, action) == ("someone", "vertical_prior", "fitted")
    assert after["ctr of all"] == {"prior_clicks": 2, "prior_imps": 400}


def test_starting_applies_the_configured_half_life_to_the_totals(
    empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "decay.csv"
    path.write_text(REPORT + "2026-11-11,decay,decay,100,0,0,0\n2026-11-01,decay,decay,100,0,0,0\n")
    import_report(empty_postgres_url, path)
    ten_days = EstimationSettings(half_life_days=10)
    monkeypatch.setattr(prepare_database, "load_estimation", lambda: ten_days)
    prepare_database.prepare(empty_postgres_url)
    with psycopg.connect(empty_postgres_url) as connection:
        row = connection.execute(
            "SELECT t.impressions, t.decayed_impressions / power(0.5, extract(epoch FROM"
            " t.as_of - '2026-11-11 00:00Z')::float8 / 864000)"
            " FROM pair_total t JOIN slot s ON s.id = t.slot_id WHERE s.external_key = 'decay'"
        ).fetchone()
    assert row == (200, pytest.approx(150.0))
    assert apply_half_life(empty_postgres_url, 30.0)
    assert not apply_half_life(empty_postgres_url, 30.0)


def test_a_changed_half_life_waits_for_an_import_and_no_import_for_it(
    empty_postgres_url: str,
) -> None:
    with ThreadPoolExecutor() as pool, psycopg.connect(empty_postgres_url) as importing:
        importing.execute("LOCK TABLE performance IN ROW EXCLUSIVE MODE")
        changing = pool.submit(apply_half_life, empty_postgres_url, 20.0)
        with pytest.raises(TimeoutError):
            changing.result(0.5)
        importing.execute(ANNOUNCE_PSYCOPG, (EVERYTHING, 0))
        importing.commit()
        assert changing.result(10)
    assert apply_half_life(empty_postgres_url, 30.0)


def test_a_row_from_the_future_is_rejected_and_costs_the_others_nothing(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    week_ago, ahead = now - timedelta(days=7), now + timedelta(days=36_500)
    path = tmp_path / "ahead.csv"
    path.write_text(
        REPORT
        + f"{week_ago:%Y-%m-%d},ahead,ahead,1000,100,0,0\n"
        + f"{ahead:%Y-%m-%d},ahead,ahead,1000,100,0,0\n"
    )
    report = import_report(empty_postgres_url, path)
    assert (report.accepted, dict(report.rejected)) == (1, {"out of range": 1})
    assert "hour_at is in the future" in path.with_suffix(".rejects").read_text()
    before = decayed_clicks(empty_postgres_url, "ahead", now)
    assert before == pytest.approx(100 * 0.5 ** (7 / 30), rel=0.03)
    live = tmp_path / "live.csv"
    live.write_text(REPORT + f"{now:%Y-%m-%dT%H:%M:%S},ahead,ahead,1,1,0,0\n")
    import_report(empty_postgres_url, live)
    after = decayed_clicks(empty_postgres_url, "ahead", now)
    assert after - before == pytest.approx(1, rel=0.01)


def test_a_row_as_far_ahead_as_an_event_may_be_is_taken(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=59)
    path = tmp_path / "soon.csv"
    path.write_text(REPORT + f"{soon:%Y-%m-%dT%H:%M:%S},soon,soon,10,10,0,0\n")
    assert import_report(empty_postgres_url, path).accepted == 1
    assert decayed_clicks(empty_postgres_url, "soon", soon) == pytest.approx(10, rel=0.01)


def test_totals_that_a_row_from_the_future_had_dated_are_rebuilt_by_the_next_start(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    path = tmp_path / "poisoned.csv"
    day = f"{now - timedelta(days=1):%Y-%m-%d}"
    path.write_text(
        REPORT + f"{day} 00:00,poisoned,poisoned,50,50,0,0\n{day} 01:00,poisoned,poisoned,1,1,0,0\n"
    )
    import_report(empty_postgres_url, path)
    with psycopg.connect(empty_postgres_url) as connection:
        connection.execute(
            "UPDATE performance p SET hour_at = '2126-01-01 00:00Z' FROM slot s"
            " WHERE s.id = p.slot_id AND s.external_key = 'poisoned' AND p.clicks = 1"
        )
        for table in ("pair_total", "brand_total"):
            connection.execute(
                f"UPDATE {table} SET as_of = '2126-01-01 00:00Z', decayed_clicks = 0"
            )
    assert apply_half_life(empty_postgres_url, 30.0)
    assert not apply_half_life(empty_postgres_url, 30.0)
    assert decayed_clicks(empty_postgres_url, "poisoned", now) == pytest.approx(50, rel=0.1)


def decayed_clicks(url: str, slot: str, now: datetime) -> float:
    """A slot's clicks, each worth what it is at `now` with a half-life of 30 days."""
    with psycopg.connect(url) as connection:
        row = connection.execute(
            "SELECT sum(t.decayed_clicks * power(0.5, least(1000,"
            " extract(epoch FROM %s - t.as_of)::float8 / 86400 / 30)))"
            " FROM pair_total t JOIN slot s ON s.id = t.slot_id WHERE s.external_key = %s",
            (now, slot),
        ).fetchone()
    assert row is not None
    return float(row[0])


def test_a_log_of_a_week_that_is_not_over_loses_its_coming_days(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    path = write_log(tmp_path / "coming.csv.gz", 50, seed=11)
    options = IpinyouOptions(1.0, date.today() + timedelta(days=14), path.with_suffix(".rejects"))
    report = import_ipinyou(empty_postgres_url, path, options, quiet)
    assert (report.rows, report.accepted, dict(report.rejected)) == (50, 0, {"out of range": 50})
    assert "occurred_at is in the future" in path.with_suffix(".rejects").read_text()


def test_a_blank_partner_is_the_mappings_own_and_a_blank_key_is_missing(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    columns = mapping().columns.model_dump(exclude_none=True) | {"partner": "who"}
    header = "who," + REPORT
    path = tmp_path / "blank.csv"
    path.write_text(
        header
        + "one,2026-11-05,blank-1,b,10,1,0,0\n"
        + " ,2026-11-05,blank-2,b,10,1,0,0\n"
        + "two,2026-11-05,blank-3,b,10,1,0,0\n"
    )
    report = import_report(empty_postgres_url, path, mapping(columns=columns))
    assert (report.accepted, dict(report.rejected)) == (3, {})
    assert dict(report.notes) == {"without a partner, kept as 'imported'": 1}
    with psycopg.connect(empty_postgres_url) as connection:
        partners = connection.execute(
            "SELECT p.external_key FROM slot s JOIN partner p ON p.id = s.partner_id"
            " WHERE s.external_key LIKE 'blank-%' ORDER BY s.external_key"
        ).fetchall()
    assert partners == [("one",), ("imported",), ("two",)]
    path.write_text(
        header
        + "one,2026-11-05, ,b,10,1,0,0\n"
        + "one,2026-11-05,s,,10,1,0,0\n"
        + "one,2026-11-05,s,b,10,1,0,0\n"
    )
    listed = mapping(columns=columns, missing_keys=["?"])
    report = import_report(empty_postgres_url, path, listed)
    assert (report.accepted, dict(report.rejected)) == (1, {"missing": 2})


def test_a_wrong_half_life_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "estimation.yaml"
    path.write_text("half_life_days: 0\n")
    with pytest.raises(InvalidRequest) as refused:
        load_estimation(path)
    assert [problem.path for problem in refused.value.problems] == ["half_life_days"]
    path.write_text("half_life_days: 14\n")
    assert load_estimation(path).half_life_days == 14
    assert load_estimation().half_life_days == 30
