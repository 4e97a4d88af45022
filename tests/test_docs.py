"""Every command in README and docs/ is run, or shown to exist with the options it is given.

`curl` asks a live service over real stores; `adbid` lines are parsed by the command's own parser,
and those that need no cluster are run; `make`, `python` and `kubectl` lines must name what is
there. What needs the whole system, `make docs-check` runs (tests/e2e/test_commands.py). A line of
any other program fails until it is added here.
"""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import httpx
import pytest
import typer
import yaml

from cli.main import app
from stores.audit import Author
from stores.key_types import SCOPES
from stores.open_keys import open_keys
from stores.settings import PROJECT_ROOT, Settings
from tests.ipinyou_log import write_log
from tests.live_service import live_service
from tests.reports import write_report

PAGES = [
    PROJECT_ROOT / "README.md",
    PROJECT_ROOT / "CONTRIBUTING.md",
    *(PROJECT_ROOT / "docs").rglob("*.md"),
]
SOURCES = [
    path
    for folder in ("bidding", "stores", "deployments", "training", "cli", "examples")
    for path in (PROJECT_ROOT / folder).rglob("*.py")
]
SERVICE = "http://127.0.0.1:8000"
# Programs that a page may name without our checking more than that.
KNOWN = {"export", ".", "cd", "git"}


def blocks(page: Path, *languages: str) -> list[str]:
    """The fenced blocks of these languages."""
    found = re.findall(r"^```(\w*)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    return [body for language, body in found if language in languages]


def commands() -> Iterator[tuple[Path, list[str]]]:
    """Every command line of every page, split as a shell would."""
    for page in PAGES:
        for block in blocks(page, "sh", "bash"):
            if "()" in block.split("\n", 1)[0]:  # a script: tests/e2e/test_backup.py runs it whole
                continue
            for line in lines(block):
                words = shlex.split(line, comments=True)
                while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
                    words.pop(0)
                if words:
                    yield page, words


def lines(block: str) -> Iterator[str]:
    """Complete commands: continued lines and open quotes are joined, `&&` parts split."""
    pending = ""
    for line in block.replace("\\\n", " ").splitlines():
        pending = f"{pending}\n{line}" if pending else line
        try:
            shlex.split(pending, comments=True)
        except ValueError:
            continue
        yield from ([pending] if "'" in pending else pending.split(" && "))
        pending = ""
    assert not pending, f"an open quote: {pending}"


ALL = list(commands())


def of(*programs: str) -> list[Any]:
    found = [(page, words) for page, words in ALL if program(words) in programs]
    return [pytest.param(words, id=f"{page.stem}: {' '.join(words)[:60]}") for page, words in found]


def program(words: list[str]) -> str:
    name = words.pop(0) if words[0] == "time" else words[0]
    if name == "taskset":
        return words[3]
    return Path(name).name if name.startswith((".venv/bin/", ".ci/", "deploy/")) else name


def test_every_program_is_one_that_this_module_checks() -> None:
    checked = {"curl", "adbid", "make", "python", "kubectl", "docker"} | KNOWN
    scripts = {"run", "make-secrets.sh", "smoke.sh"}
    assert {program(words) for _, words in ALL} <= checked | scripts
    assert len(ALL) > 30


@dataclass(frozen=True, slots=True)
class Live:
    """A service, and a key that may do anything."""

    url: str
    key: str

    @property
    def as_anyone(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.key}"}


@pytest.fixture(scope="module")
def service(postgres_url: str, redis_url: str) -> Iterator[Live]:
    settings = Settings(DATABASE_URL=postgres_url, REDIS_URL=redis_url)

    async def create() -> str:
        async with open_keys(settings) as keys:
            return (await keys.create("a reader", SCOPES, Author("test"))).token

    with live_service(postgres_url, redis_url) as url:
        yield Live(url, asyncio.run(create()))


def in_our_place(word: str, service: Live) -> str:
    """The service under test for the one of the pages, its key and its last write; in a bundle,
    patience and no model."""
    if re.search(r"/audit/\d+/revert", word):
        newest = httpx.get(f"{service.url}/audit", params={"limit": 1}, headers=service.as_anyone)
        word = re.sub(r"/audit/\d+", f"/audit/{newest.json()['items'][0]['id']}", word)
    if not word.lstrip().startswith("{"):
        return word.replace(SERVICE, service.url).replace("$ADBID_KEY", service.key)
    body = json.loads(word)
    if "bids" in body:
        body |= {"tmax_ms": 5000, "explain": False}
    for event in body.get("events", []):
        if "decision_id" in event:  # a page writes a placeholder
            event["decision_id"] = str(uuid.uuid4())
    return json.dumps(body)


def test_the_example_of_the_readme_has_the_shape_of_an_answer(service: Live) -> None:
    """Before any other command of the pages changes what is known."""
    shown = json.loads(blocks(PROJECT_ROOT / "README.md", "json")[0])
    words = next(words for page, words in ALL if page.name == "README.md" and words[0] == "curl")
    done = run([in_our_place(word, service) for word in words])
    answer = json.loads(done.stdout)
    assert set(shown) == set(answer)
    assert shown["winner"]["bid_id"] == answer["winner"]["bid_id"]
    assert set(shown["results"][0]) == set(answer["results"][0])
    for ours, theirs in zip(shown["results"], answer["results"], strict=True):
        assert ours["bid_id"] == theirs["bid_id"]
        assert ours["vpi"] == pytest.approx(theirs["vpi"], rel=0.02)


@pytest.mark.parametrize("words", of("adbid"))
def test_adbid_takes_these_options(words: list[str], tmp_path: Path) -> None:
    arguments = words[words.index("adbid") + 1 :]
    command: click.Command = typer.main.get_command(app)
    context = click.Context(command, info_name="adbid")
    if arguments[0].startswith("--"):  # an option of `adbid` itself
        assert arguments[0] in {name for each in command.get_params(context) for name in each.opts}
        return
    while isinstance(command, click.Group) or hasattr(command, "get_command"):
        name = arguments.pop(0)
        found = command.get_command(context, name)
        assert found is not None, f"no command {name}"
        command, context = found, click.Context(found, info_name=name, parent=context)
    if "--help" in arguments:
        return
    in_place = [an_existing_file(word, tmp_path) for word in arguments]
    command.parse_args(context, in_place)


def an_existing_file(word: str, folder: Path) -> str:
    """A file that the reader has and we have not, as `impressions.csv.gz`, stands empty here."""
    if not re.fullmatch(r"[\w-]+\.csv(\.gz)?", word):
        return word
    (folder / word).touch()
    return str(folder / word)


# These need PostgreSQL alone, or nothing at all.
ALONE = (
    "keys",
    "import",
    "priors",
    "status",
    "doctor",
    "--show-completion",
    "--install-completion",
)


def alone() -> list[Any]:
    return [
        each for each in of("adbid") if each.values[0][each.values[0].index("adbid") + 1] in ALONE
    ]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the reader's own files lie."""
    place = tmp_path_factory.mktemp("reader")
    write_log(place / "impressions.csv.gz", 500)
    write_report(place / "report.csv")
    return place


@pytest.mark.parametrize("words", alone())
def test_adbid_does_what_the_page_says(
    words: list[str], folder: Path, postgres_url: str, redis_url: str
) -> None:
    arguments = words[words.index("adbid") + 1 :]
    where = [
        f"{PROJECT_ROOT}/{word}" if word.startswith("configs/") else word for word in arguments
    ]
    given = {"DATABASE_URL": postgres_url, "REDIS_URL": redis_url, "HOME": str(folder)}
    done = subprocess.run(
        [Path(sys.executable).with_name("adbid"), *where],
        cwd=folder,
        env=os.environ | given | {"ADBID_HOME": str(folder / "var"), "ADBID_PORT": "17800"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    # Nothing was brought up here, which `status` and `doctor` have to say.
    allowed = {"status": {1}, "doctor": {0, 1}}.get(arguments[0], {0})
    assert done.returncode in allowed, done.stderr
    assert done.stdout
    if "--json" in words:
        json.loads(done.stdout)


@pytest.mark.parametrize("words", of("make"))
def test_make_has_this_target(words: list[str]) -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    for target in (word for word in words[1:] if "=" not in word):
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("words", of("python"))
def test_python_runs_what_is_there(words: list[str]) -> None:
    if words[1] == "-m":
        done = run([sys.executable, "-c", f"import {words[2]}"])
    elif words[1] == "-c":
        done = run([sys.executable, *words[1:]])
    else:
        done = run([sys.executable, words[1], "--help"])
        unknown = [word for word in words if word.startswith("--") and word not in done.stdout]
        assert not unknown, f"{words[1]} has no {unknown}"
    assert done.returncode == 0, done.stderr


def run(command: list[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.mark.parametrize("words", of("kubectl", "docker", "run", "make-secrets.sh"))
def test_files_named_on_a_command_line_exist(words: list[str]) -> None:
    for word in words:
        if word.startswith(("deploy/", ".ci/")):
            assert (PROJECT_ROOT / word).exists(), word


@pytest.mark.parametrize("words", of("curl"))
def test_curl_is_answered(words: list[str], service: Live) -> None:
    asked = [in_our_place(word, service) for word in words]
    done = run([*asked, "--write-out", "\n%{http_code}"])
    body, _, status = done.stdout.rpartition("\n")
    assert status in ("200", "202"), f"{status}: {body}"
    if "/api/score" in " ".join(asked):
        assert json.loads(body)["winner"]


def test_the_ad_server_of_the_examples_gets_decisions_and_reports_events(service: Live) -> None:
    done = run([sys.executable, "examples/ad_server.py", "--url", service.url, "--pages", "4"])
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("page ") == 4
    assert "'accepted':" in done.stdout or "reported: {}" in done.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text()):
        assert (page.parent / target).exists(), f"{page.name}: {target}"


def a_setting_or_read(name: str) -> bool:
    """A field of the settings, or a variable that some module outside of them reads by its name."""
    if name.removeprefix("ADBID_").lower() in Settings.model_fields:
        return True
    reading = re.compile(rf'(environ|environment)(\.get\(|\[)"{name}"|envvar="{name}"')
    return any(reading.search(path.read_text()) for path in SOURCES)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT_ROOT)))
def test_settings_and_files_that_a_page_names_exist(page: Path) -> None:
    text = page.read_text()
    for name in set(re.findall(r"\bADBID_[A-Z_]+\b", text)):
        assert a_setting_or_read(name), name
    known = "bidding|stores|deployments|training|cli|configs|migrations|deploy|examples|benchmarks"
    for path in re.findall(rf"`((?:{known})/[\w./-]+)`", text):
        assert (PROJECT_ROOT / path).exists(), f"{page.name}: {path}"


def test_every_page_is_in_the_index() -> None:
    index = (PROJECT_ROOT / "docs" / "README.md").read_text()
    pages = {page.name for page in (PROJECT_ROOT / "docs").glob("*.md")} - {"README.md"}
    assert {name for name in pages if f"({name})" not in index} == set()


def test_ci_and_container_use_the_versions_of_the_project() -> None:
    project = tomllib.loads((PROJECT_ROOT / "pyproject.toml").read_text())["project"]
    flow = yaml.safe_load((PROJECT_ROOT / ".github/workflows/ci.yml").read_text())
    versions = flow["jobs"]["backend"]["strategy"]["matrix"]["python"]
    assert project["requires-python"] == f">={versions[0]},<3.{int(versions[-1][2:]) + 1}"
    makefile = (PROJECT_ROOT / "Makefile").read_text()
    uv = re.search(r"UV_VERSION := (\S+)", makefile)
    assert uv
    assert f"uv=={uv[1]}" in (PROJECT_ROOT / "Dockerfile").read_text()
