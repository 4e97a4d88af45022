"""The telemetry replica looks at each store by itself."""

import asyncio
import time

import pytest

from deployments.metrics import key
from deployments.telemetry import Telemetry

NIGHT = key("adbid_nightly_success_timestamp_seconds")


async def test_the_night_is_known_while_mlflow_is_away(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", postgres_url)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    telemetry = Telemetry.__new__(Telemetry)
    await telemetry.__init__()  # type: ignore[misc]
    try:
        async with asyncio.timeout(20):
            while NIGHT not in (found := await telemetry.gauges()):  # noqa: ASYNC110
                await asyncio.sleep(0.05)
    finally:
        telemetry._looking.cancel()
        telemetry._watching.cancel()
        if telemetry._postgres is not None:
            await telemetry._postgres.aclose()
    assert 0 < found[NIGHT] <= time.time()
