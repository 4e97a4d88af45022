"""What the dashboard's sources promise without a browser: its units, and the database's types."""

import pytest

from tests.browser.dashboard_tools import FRONTEND, build_dashboard, pnpm


@pytest.fixture(scope="module", autouse=True)
def built() -> None:
    if not (FRONTEND / "node_modules").is_dir():
        pytest.skip("the dashboard is not installed here; `make dashboard` does it")
    build_dashboard()


def test_the_units_of_the_dashboard() -> None:
    pnpm("test", timeout_s=120)


def test_the_sources_of_the_dashboard_are_clean() -> None:
    pnpm("lint", timeout_s=180)


def test_the_database_types_are_in_step_with_the_migrations(empty_postgres_url: str) -> None:
    pnpm("db:types", "--check", timeout_s=120, DATABASE_URL=empty_postgres_url)
