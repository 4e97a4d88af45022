"""What `adbid doctor` says of variables and passwords."""

import re
from pathlib import Path

import pytest

from cli.embedded import doctor
from cli.embedded.doctor import Finding, examine, has_default_password
from stores.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTED = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "examples").glob("*.py")]


def findings(tmp_path: Path, **given: str) -> list[Finding]:
    settings = Settings(home=tmp_path, **given)
    return examine(settings, settings)


def test_every_variable_of_the_docs_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = "".join(path.read_text() for path in DOCUMENTED)
    names = set(re.findall(r"\bADBID_[A-Z_]+[A-Z]\b", texts))
    assert {"ADBID_KEY", "ADBID_METRICS_TOKEN_FILE", "ADBID_PORT"} <= names
    for name in names - {"ADBID_HOME", "ADBID_PORT", "ADBID_HOST", "ADBID_ENV"}:
        monkeypatch.setenv(name, "x")
    monkeypatch.setenv("ADBID_HOEM", "x")
    unknown = [f.says for f in doctor._unknown_variables()]
    assert unknown == ["ADBID_HOEM is set, but no setting has that name"]


@pytest.mark.parametrize(
    ("url", "weak"),
    [
        ("postgresql://u:postgres@db/adbid", True),
        ("postgresql://u:CHANGEME@127.0.0.1/adbid", True),
        ("postgresql://u@db.internal/adbid", True),
        ("redis://cache:6379/0", True),
        ("redis://127.0.0.1:6379/0", False),
        ("postgresql://u:9f3c1b@db/adbid", False),
    ],
)
def test_a_default_password_is_named(url: str, weak: bool) -> None:
    assert has_default_password(url) is weak


def test_doctor_says_which_store_has_a_default_password(tmp_path: Path) -> None:
    (found,) = (f for f in findings(tmp_path, REDIS_URL="redis://cache/0") if f.what == "Keys")
    assert (found.ok, "REDIS_URL" in found.says) == (False, True)
