"""`make docs-check`: backup and restore as docs/operations.md says, word for word, to a new system.

Two whole systems in turn take minutes, so `make test` leaves it out.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from stores.settings import PROJECT_ROOT
from tests.chaos.system import STORES, until
from tests.ipinyou_log import write_log

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1_200),
    pytest.mark.skipif("ADBID_FOLLOW_DOCS" not in os.environ, reason="`make docs-check` runs it"),
]
OLD_PORT, NEW_PORT = 19_500, 19_700
DOCS = PROJECT_ROOT / "docs/operations.md"
BIDS = [
    {"bid_id": "b1", "brand_id": 3, "pricing_model": "CPC", "amount": 0.5},
    {"bid_id": "b2", "brand_id": 1, "pricing_model": "CPM", "amount": 2.4},
    {"bid_id": "b3", "brand_id": 2, "pricing_model": "CPA", "amount": 20},
]


def blocks() -> list[str]:
    """The shell commands of the page's section: the backup, then the restore."""
    section = DOCS.read_text().split("## Backup and restore", 1)[1].split("\n## ", 1)[0]
    return re.findall(r"```sh\n(.*?)```", section, re.DOTALL)


class System:
    """An embedded system that `docs/operations.md` is followed on."""

    def __init__(self, home: Path, port: int) -> None:
        home.mkdir(mode=0o755)
        self.url = f"http://127.0.0.1:{port}"
        self.environment = {k: v for k, v in os.environ.items() if k not in STORES} | {
            "ADBID_HOME": str(home),
            "ADBID_PORT": str(port),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(PROJECT_ROOT),
            "OPENBLAS_NUM_THREADS": "1",  # spinning threads of a fit on a busy machine take minutes
        }

    def sh(self, commands: str, folder: Path) -> None:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{commands}\n{done.stdout}\n{done.stderr}"

    def answer(self) -> dict[str, Any]:
        """What a bundle is worth here, by which models."""
        body = {"slot_id": 7, "device_type": "mobile", "tmax_ms": 5_000, "bids": BIDS}
        answer = httpx.post(f"{self.url}/api/score", json=body, timeout=10).json()
        values = {result["bid_id"]: result["vpi"] for result in answer["results"]}
        return {"values": values, "models": answer["models"], "degraded": answer["degraded"]}


@contextmanager
def running(home: Path, port: int, folder: Path) -> Iterator[System]:
    system = System(home, port)
    try:
        system.sh("adbid up --detach", folder)
        yield system
    finally:
        system.sh("adbid down", folder)


def test_a_backup_restored_into_a_new_system_scores_the_same(system_home: Path) -> None:
    backup, restore = blocks()
    log = write_log(system_home / "log.csv.gz", 1_500)
    with running(system_home / "old", OLD_PORT, system_home) as old:
        untrained = old.answer()
        old.sh(f"adbid import ipinyou {log} && adbid train", system_home)
        assert until(lambda: old.answer()["models"]["ctr"] == "1", 60), old.answer()
        before = old.answer()
        old.sh(backup, system_home)
    assert before["values"] != untrained["values"]
    with running(system_home / "new", NEW_PORT, system_home) as new:
        assert new.answer()["models"] == untrained["models"]
        new.sh(restore, system_home)
        assert until(lambda: new.answer()["models"] == before["models"], 60), new.answer()
        after = new.answer()
        # History fades by the hour, so a value worked out later differs in its sixth digit.
        values = pytest.approx(before["values"], rel=1e-4)
        assert (after["values"], after["degraded"]) == (values, before["degraded"])
