"""Which folder below /var/lib/adbid is a home's own, where PostgreSQL cannot live in the home."""

from pathlib import Path

import pytest

from cli.embedded import postgres_place
from cli.embedded.home import Home


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(postgres_place, "ELSEWHERE", tmp_path / "elsewhere")
    return tmp_path / "elsewhere"


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


def database(folder: Path) -> None:
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("18")


def test_a_home_keeps_its_folder(elsewhere: Path, home: Home) -> None:
    folder = postgres_place._elsewhere(home)
    assert folder.parent == elsewhere
    assert postgres_place._elsewhere(home) == folder


def test_a_home_from_before_passwords_told_keeps_its_database(elsewhere: Path, home: Home) -> None:
    database(elsewhere / home.id)
    home.create()
    home.log("postgres").touch()
    assert postgres_place._elsewhere(home) == elsewhere / home.id


def test_another_homes_database_is_not_a_new_ones(elsewhere: Path, home: Home) -> None:
    database(elsewhere / home.id)
    folder = postgres_place._elsewhere(home)
    assert folder != elsewhere / home.id
    folder.mkdir()
    home.create()
    home.log("postgres").touch()
    assert postgres_place._elsewhere(home) == folder


def test_a_password_is_made_once_and_is_its_owners(home: Home) -> None:
    made = postgres_place.password(home)
    kept = home.secrets / "postgres"
    assert len(made) >= 32
    assert postgres_place.password(home) == made
    assert kept.stat().st_mode & 0o077 == 0
    assert list(home.secrets.iterdir()) == [kept]
