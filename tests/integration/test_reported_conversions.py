"""A report of clicks and conversions, without any impression log, is enough for a CVR model."""

from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from bidding.errors import InvalidRequest
from stores.feature_contract import load_contract
from stores.importing.import_ipinyou import IpinyouOptions, import_ipinyou
from stores.importing.import_performance import PerformanceOptions, import_performance
from stores.importing.mapping import load_mapping
from stores.seed import seed
from stores.settings import PROJECT_ROOT
from stores.training_rows import reported_clicks
from tests.ipinyou_log import write_log
from training import jobs
from training.history import history_of, load_history
from training.registry import Registered
from training.spec import load_spec
from training.tables import read_tables

HEADER = (
    "month,day,campaign_number,user_engagement,banner,placement,displays,cost,clicks,revenue,"
    "post_click_conversions,post_click_sales_amount\n"
)
GOOD, BAD = 0.3, 0.05


def write_report(path: Path, rows: int = 10_000) -> tuple[int, int]:
    """A report whose wide banners convert six times as well; answers clicks and conversions."""
    rng = np.random.default_rng(3)
    clicks = rng.integers(0, 40, rows)
    wide = rng.random(rows) < 0.5
    bought = rng.binomial(clicks, np.where(wide, GOOD, BAD))
    with path.open("w") as file:
        file.write(HEADER)
        for n in range(rows):
            banner = "728 x 90" if wide[n] else "160 x 600"
            where = f"camp {rng.integers(3)},High,{banner},place {rng.integers(20)}"
            file.write(f"April,{1 + n % 28},{where},1000,1,{clicks[n]},1,{bought[n]},5\n")
    return int(clicks.sum()), int(bought.sum())


def imported(url: str, path: Path) -> None:
    mapping = load_mapping(PROJECT_ROOT / "configs/imports/display_campaigns.yaml")
    options = PerformanceOptions(mapping, path.with_suffix(".rejects"))
    import_performance(url, path, options, lambda *_: None)


def test_a_report_alone_fits_the_cvr_model(
    empty_postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed(empty_postgres_url)
    monkeypatch.setattr(jobs, "register", lambda *_: Registered("adbid-cvr", "1", "run", True))
    spec = load_spec()
    quick = spec.model_copy(
        update={"booster": spec.booster.model_copy(update={"n_estimators": 40})}
    )
    client = MlflowClient("http://127.0.0.1:9")
    with pytest.raises(InvalidRequest, match="nothing to train on"):
        jobs.train_all(client, empty_postgres_url, load_contract(), quick)
    clicks, bought = write_report(tmp_path / "report.csv")
    imported(empty_postgres_url, tmp_path / "report.csv")

    done = jobs.train_all(client, empty_postgres_url, load_contract(), quick)
    assert [note.split(":")[0] for note in done.notes] == ["no CTR model"]
    (model,) = done.models
    assert model.trained.fitted.serving.rate == "cvr"
    assert model.trained.held_out is not None
    held = model.trained.held_out.model
    rows = model.trained.rows
    told = (rows.counts.sum(), (rows.counts * rows.outcomes).sum())
    assert told[0] / clicks == pytest.approx(0.8, abs=0.05)
    assert told[1] / bought == pytest.approx(0.8, abs=0.05)
    assert held.auc.value > 0.65
    assert held.ratio.value == pytest.approx(1.0, abs=0.1)


def test_clicks_of_a_log_that_tells_no_conversions_are_left_out(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    write_report(tmp_path / "other.csv", rows=50)
    imported(empty_postgres_url, tmp_path / "other.csv")
    before = sum(table["times"].sum() for table in reported_clicks(empty_postgres_url))
    log = write_log(tmp_path / "log.csv.gz", 500, seed=4)
    options = IpinyouOptions(1.0, date(2026, 11, 16), tmp_path / "rejects")
    report = import_ipinyou(empty_postgres_url, log, options, lambda *_: None)
    assert report.accepted == 500
    after = sum(table["times"].sum() for table in reported_clicks(empty_postgres_url))
    assert after == before > 0


def test_what_is_learned_beside_a_log_without_conversions_can_be_read_again(
    empty_postgres_url: str, tmp_path: Path
) -> None:
    write_report(tmp_path / "third.csv", rows=60)
    imported(empty_postgres_url, tmp_path / "third.csv")
    log = write_log(tmp_path / "log.csv.gz", 300, seed=5)
    options = IpinyouOptions(1.0, date(2026, 11, 16), tmp_path / "rejects")
    import_ipinyou(empty_postgres_url, log, options, lambda *_: None)

    rows = read_tables(empty_postgres_url, load_spec().nightly, datetime.now(UTC)).cvr_rows(
        load_contract()
    )
    history = history_of(rows, {})
    history.save(tmp_path / "history.npz")
    read = load_history(tmp_path / "history.npz")
    assert np.array_equal(read.rates(rows).pair, history.rates(rows).pair)
