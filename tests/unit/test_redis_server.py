"""Which Redis `adbid up` takes: the machine's, else one that a Python package carries."""

import subprocess
from pathlib import Path

import pytest

from cli.embedded import redis
from cli.embedded.errors import PartFailed


def test_a_package_carries_a_server_where_the_machine_has_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    carried = redis.redis_server()
    said = subprocess.run([carried, "--version"], capture_output=True, text=True, check=True)
    assert "server v=" in said.stdout


def test_the_machines_own_server_goes_first(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "redis-server"
    own.write_text("#!/bin/sh\n")
    own.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert redis.redis_server() == own


def test_without_any_the_error_names_what_to_install_or_to_set(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(redis, "CARRIERS", (("no_such_package", "bin/redis-server"),))
    with pytest.raises(PartFailed, match=r"no_such_package.*REDIS_URL"):
        redis.redis_server()
