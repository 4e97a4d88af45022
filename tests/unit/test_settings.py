"""Where each setting comes from, and what a wrong one says."""

import json
from pathlib import Path

import pytest

from bidding.errors import InvalidRequest
from stores.settings import PROJECT_ROOT, load_settings

_VARIABLES = ("DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS", "ADBID_ENV")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of the test's own, and none of the machine's variables."""
    for name in (*_VARIABLES, "ADBID_PORT", "ADBID_HOST", "ADBID_ARTIFACT_ROOT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ADBID_HOME", str(tmp_path / "home"))
    (tmp_path / "home" / "run").mkdir(parents=True)
    return tmp_path / "home"


@pytest.fixture
def configs(tmp_path: Path) -> Path:
    folder = tmp_path / "configs"
    folder.mkdir()
    return folder


def running_system(home: Path, **values: str) -> None:
    (home / "run" / "env.json").write_text(json.dumps(values))


def test_without_anything_no_store_is_configured(configs: Path) -> None:
    settings = load_settings(configs=configs)
    assert settings.database_url is None
    assert settings.port == 8000
    assert settings.host == "127.0.0.1"


def test_the_environments_file_overrides_single_lines(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (configs / "settings.yaml").write_text("port: 8200\nhost: 127.0.0.9\n")
    (configs / "settings.production.yaml").write_text("port: 8400\n")
    monkeypatch.setenv("ADBID_ENV", "production")
    settings = load_settings(configs=configs)
    assert (settings.port, settings.host) == (8400, "127.0.0.9")


def test_the_running_system_overrides_the_files(configs: Path, home: Path) -> None:
    (configs / "settings.yaml").write_text("database_url: postgresql://file/adbid\n")
    running_system(home, DATABASE_URL="postgresql://running/adbid", port="8600")
    settings = load_settings(configs=configs)
    assert settings.database_url == "postgresql://running/adbid"
    assert settings.port == 8600


def test_an_environment_variable_overrides_the_running_system(
    configs: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_system(home, DATABASE_URL="postgresql://running/adbid", port="8600")
    monkeypatch.setenv("DATABASE_URL", "postgresql://given/adbid")
    monkeypatch.setenv("ADBID_PORT", "9000")
    settings = load_settings(configs=configs)
    assert settings.database_url == "postgresql://given/adbid"
    assert settings.port == 9000


def test_an_option_overrides_an_environment_variable(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADBID_PORT", "9000")
    assert load_settings(configs=configs, overrides={"port": 9200, "host": None}).port == 9200


def test_starting_a_system_does_not_take_the_running_ones_stores_for_given(
    configs: Path, home: Path
) -> None:
    running_system(home, DATABASE_URL="postgresql://running/adbid")
    assert load_settings(running_system=False, configs=configs).database_url is None


def test_an_empty_variable_counts_as_not_set(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REDIS_URL", "")
    assert load_settings(configs=configs).redis_url is None


def test_artifacts_live_in_the_home_where_one_is_given(configs: Path, home: Path) -> None:
    assert load_settings(configs=configs).artifact_root == home / "mlruns"


def test_artifacts_live_in_the_project_otherwise(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ADBID_HOME")
    settings = load_settings(running_system=False, configs=configs)
    assert settings.artifact_root == PROJECT_ROOT / "mlruns"


def test_a_wrong_value_is_refused_with_its_field(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ADBID_PORT", "eighty")
    with pytest.raises(InvalidRequest) as refused:
        load_settings(configs=configs)
    assert [problem.path for problem in refused.value.problems] == ["port"]


def test_a_misspelt_field_in_a_file_is_refused(configs: Path) -> None:
    (configs / "settings.yaml").write_text("prot: 8200\n")
    with pytest.raises(InvalidRequest) as refused:
        load_settings(configs=configs)
    assert [problem.path for problem in refused.value.problems] == ["prot"]


def test_no_password_shows_up_in_a_settings_text(
    configs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://adbid:s3cret@db/adbid")
    assert "s3cret" not in repr(load_settings(configs=configs))
