"""`make docs-check`: what the pages say of `adbid` and the examples, run on one whole system.

The quickstart has a test of its own; here are the pages that need models, MLflow and Ray, in an
order in which each command finds what it needs. `make test` leaves it out: it takes minutes.
"""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from stores.settings import PROJECT_ROOT
from tests.ipinyou_log import write_log
from tests.reports import write_report
from tests.test_docs import ALL, program

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.timeout(1800),
    pytest.mark.skipif("ADBID_FOLLOW_DOCS" not in os.environ, reason="`make docs-check` runs it"),
]
PORT = 16_800
BIN = Path(sys.executable).parent
PAGES = ("operations", "cli", "api", "events", "models")
# Of a running system: 2 is the gate's no, which a small market may well earn.
ALLOWED = {"retrain": {0, 2}, "doctor": {0, 1}}
# A small market may earn that too; then force must do what the page says.
REFUSED_BY_GATE = "Conflict: the gate failed"
LATE_S = 12.0  # replicas have heard of a new champion by then


def lines() -> Iterator[list[str]]:
    """The lines of the pages, in the pages' order; `adbid down` comes last, from the fixture."""
    for name in PAGES:
        for page, words in ALL:
            if page.stem == name and program(list(words)) == "adbid" and "down" not in words:
                yield words
            if page.stem == name and words[:2] == ["python", "examples/promote.py"]:
                yield words


@pytest.fixture(scope="module")
def environment(system_home: Path) -> Iterator[dict[str, str]]:
    stores = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}
    given = {name: value for name, value in os.environ.items() if name not in stores}
    given |= {"ADBID_HOME": str(system_home), "ADBID_PORT": str(PORT), "HOME": str(system_home)}
    given["PATH"] = os.pathsep.join((str(BIN), given["PATH"]))
    yield given
    subprocess.run([BIN / "adbid", "down"], env=given, check=False, capture_output=True)


def in_our_place(word: str, folder: Path) -> str:
    """The reader's files lie in a folder of ours; the clone's files in the clone."""
    if (folder / word).is_file():
        return str(folder / word)
    return str(PROJECT_ROOT / word) if (PROJECT_ROOT / word).is_file() else word


def run(
    command: list[str], environment: dict[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=environment | {"PYTHONPATH": str(PROJECT_ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_of_the_pages_do_what_they_say(
    environment: dict[str, str], tmp_path: Path
) -> None:
    write_log(tmp_path / "impressions.csv.gz", 6_000)
    write_report(tmp_path / "report.csv")
    failed, started = [], time.monotonic()
    for words in lines():
        asked = [in_our_place(word, tmp_path) for word in words]
        if "examples/promote.py" in words[1]:
            asked += ["--tracking-uri", f"http://127.0.0.1:{PORT + 10}"]
        done = run(asked, environment, tmp_path)
        if "promote" in words and REFUSED_BY_GATE in done.stdout + done.stderr:
            assert done.returncode == 1
            done = run([*asked, "--force"], environment, tmp_path)
        command = " ".join(words)
        print(f"{time.monotonic() - started:6.1f} s  {done.returncode}  {command[:100]}")
        if done.returncode not in ALLOWED.get(words[1], {0}):
            failed.append(f"{command}: {done.returncode}\n{done.stdout[-800:]}{done.stderr[-800:]}")
        if "promote" in words or "rollback" in words:
            time.sleep(LATE_S)
    assert not failed, "\n\n".join(failed)
