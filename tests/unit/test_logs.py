"""Logs: JSON, one line per event, the trace in it, no secret in it."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from deployments import logs
from deployments.logs import HIDDEN, SharedFile, hidden


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("password", "hunter2", HIDDEN),
        ("DATABASE_URL", "postgresql://u:p@h/d", HIDDEN),
        ("Authorization", "Bearer abc", HIDDEN),
        ("api_key", None, None),
        ("url", "redis://me:pass@host:6379/0", f"redis://{HIDDEN}@host:6379/0"),
        ("error", "bad token=abc123, sorry", f"bad token={HIDDEN}, sorry"),
        ("header", "Bearer abcdefghijkl", f"Bearer {HIDDEN}"),
        ("detail", "adb_0123abcd_" + "9" * 64, f"adb_0123abcd_{HIDDEN}"),
        ("nested", {"cookie": "x", "n": 1}, {"cookie": HIDDEN, "n": 1}),
        ("many", ["adb_0123abcd_" + "9" * 64], [f"adb_0123abcd_{HIDDEN}"]),
        ("slot_id", 7, 7),
        ("event", "model_swapped", "model_swapped"),
    ],
)
def test_secrets_are_hidden_by_name_and_by_look(name: str, value: object, shown: object) -> None:
    assert hidden(name, value) == shown


def test_a_line_is_json_with_its_trace_and_its_traceback(tmp_path: Path) -> None:
    code = """
import structlog
from deployments import logs
logs.configure("ingress")
log = structlog.get_logger()
logs.TRACE_ID.set("abc")
log.debug("quiet")
try:
    raise ValueError("redis://me:pass@host is away")
except ValueError:
    log.exception("it_failed", slot_id=7)
"""
    path = tmp_path / "service.log"
    environment = {"ADBID_LOG_FILE": str(path)}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)
    (line,) = path.read_text().splitlines()
    found = json.loads(line)
    assert found["event"] == "it_failed"
    assert (found["level"], found["deployment"], found["slot_id"]) == ("error", "ingress", 7)
    assert found["trace_id"] == "abc"
    assert "ValueError" in found["exception"]
    assert "pass@" not in line


def test_a_full_file_makes_room_for_every_process(tmp_path: Path) -> None:
    path = tmp_path / "service.log"
    first, second = SharedFile(path, limit=1_000), SharedFile(path, limit=1_000)
    for _ in range(300):
        first.write("one line\n")
    for _ in range(300):
        second.write("another\n")
    assert (tmp_path / "service.log.1").stat().st_size > 1_000
    assert path.stat().st_size > 0


def test_a_container_s_own_standard_error_takes_lines() -> None:
    """As pods name it: a pipe by its place among a process's files."""
    reads, writes = os.pipe()
    file = SharedFile(Path(f"/proc/self/fd/{writes}"), limit=10)
    for _ in range(600):
        file.write("one line\n")
    assert os.read(reads, 60_000) == b"one line\n" * 600
    os.close(reads)
    os.close(writes)


def test_a_log_that_cannot_be_written_stops_nobody(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("ADBID_LOG_FILE", "/proc/none/fd/2")
    assert logs._output() is sys.__stderr__
    assert "ADBID_LOG_FILE=/proc/none/fd/2 cannot be written" in capfd.readouterr().err
