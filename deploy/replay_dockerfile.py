"""Replay the Dockerfile's RUN and COPY steps in clean folders, without a container engine.

    make image-check
    sudo unshare --mount .venv/bin/python -m deploy.replay_dockerfile WORK_FOLDER [--keep]

Each stage gets a root of its own: this machine's /usr, /bin and /lib read-only in place of the base
image, a copy of /etc, and nothing else. A RUN sees only what earlier steps of its stage made. At
the end what the last stage holds is looked through and weighed, and its roles serve, mlflow,
migrate and retrain do their work as its USER, on stores that are started beside it. What this
cannot show is what the base images differ in; the container job in CI builds the real image.
"""

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from deploy.replay_roles import ROLE, check_roles, sizes, unwanted

PROJECT = Path(__file__).resolve().parents[1]
BASE = ("bin", "sbin", "lib", "lib64", "usr", "opt", "dev", "proc")
PATH = "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PASSED_ON = ("SSL_", "HTTPS_", "HTTP_", "NO_PROXY", "UV_", "PIP_", "NPM_", "npm_", "NODE_EXTRA")


@dataclass
class Stage:
    """One FROM with what it left behind: a root folder, an environment, a place, a user."""

    base: str
    root: Path
    environment: dict[str, str] = field(default_factory=dict)
    workdir: str = "/"
    user: str = "root"


def instructions(text: str) -> list[tuple[str, str]]:
    """`(INSTRUCTION, arguments)` of every line, with continuations joined and comments gone."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest) for word, rest in pairs]


class Replay:
    def __init__(self, work: Path, interpreter: Path) -> None:
        self.work, self.interpreter = work, interpreter
        self.stages: dict[str, Stage] = {}
        self.context = work / "context"

    def run(self, text: str) -> Stage:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        self._make_context()
        stage = None
        for word, rest in instructions(text):
            print(f"--- {word} {rest[:100]}", flush=True)
            if word == "FROM":
                stage = self._from(rest)
            elif stage is None:
                raise SystemExit(f"{word} before FROM")
            else:
                self._step(stage, word, rest)
        if stage is None:
            raise SystemExit("no FROM")
        return stage

    def _make_context(self) -> None:
        """What .dockerignore lets through, from the files git knows."""
        known = subprocess.run(
            ["git", "ls-files", "-co", "--exclude-standard"],
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        lines = (PROJECT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        allowed = tuple(line[1:] for line in lines if line.startswith("!"))
        for name in known:
            if name in allowed or name.startswith(tuple(f"{each}/" for each in allowed)):
                target = self.context / name
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(PROJECT / name, target)

    def _from(self, rest: str) -> Stage:
        image, _, name = rest.partition(" AS ")
        root = self.work / (name or "final")
        for folder in (*BASE, "tmp", "root", "app", "var/lib"):
            (root / folder).mkdir(parents=True)
        (root / "tmp").chmod(0o1777)
        shutil.copytree("/etc", root / "etc", symlinks=True)
        for folder in BASE:
            bind(Path("/", folder), root / folder, read_only=folder not in ("dev", "proc"))
        tools = self.interpreter.parents[1] if image.startswith("python") else None
        if tools and not str(tools).startswith("/usr"):
            target = root / str(tools).lstrip("/")
            target.mkdir(parents=True)
            for parent in target.parents:
                if parent != root and parent.is_relative_to(root):
                    parent.chmod(0o755)
            bind(tools, target, read_only=True)
        # What a step installs for the whole system lands here, since /usr is not ours to change.
        own = {
            "PATH": "/local/bin:"
            + (f"{tools}/bin:" if tools else "")
            + "/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        }
        own |= {"npm_config_prefix": "/local", "PIP_PREFIX": "/local", "HOME": "/root"}
        own |= {"PYTHONUSERBASE": "/local"}
        passed = {k: v for k, v in os.environ.items() if k.startswith(PASSED_ON)}
        stage = Stage(image, root, passed | own)
        self.stages[name or "final"] = stage
        return stage

    def _step(self, stage: Stage, word: str, rest: str) -> None:
        if word == "RUN":
            stage_run(stage, ["/bin/sh", "-ec", rest])
        elif word == "COPY":
            self._copy(stage, rest)
        elif word == "ENV":
            for pair in shlex.split(rest):
                key, _, value = pair.partition("=")
                stage.environment[key] = value.replace("$PATH", stage.environment["PATH"])
        elif word == "WORKDIR":
            stage.workdir = rest
            (stage.root / rest.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif word == "USER":
            stage.user = rest
            stage.environment["HOME"] = home_of(stage.root, rest.split(":")[0])

    def _copy(self, stage: Stage, rest: str) -> None:
        words = rest.split()
        origin = self.context
        if words[0].startswith("--from="):
            origin = self.stages[words.pop(0).removeprefix("--from=")].root
        *sources, target = words
        place = stage.root / stage.workdir.lstrip("/") / target
        for source in sources:
            path = origin / source.lstrip("/")
            if path.is_dir():
                shutil.copytree(path, place, symlinks=True, dirs_exist_ok=True)
            else:
                place.mkdir(parents=True, exist_ok=True)
                shutil.copy(path, place)


def home_of(root: Path, uid: str) -> str:
    entries = (line.split(":") for line in (root / "etc/passwd").read_text().splitlines())
    return next((entry[5] for entry in entries if entry[2] == uid), "/")


def bind(source: Path, target: Path, *, read_only: bool) -> None:
    subprocess.run(["mount", "--rbind", source, target], check=True)
    if read_only:
        subprocess.run(["mount", "-o", "remount,bind,ro", target], check=True)


def stage_run(stage: Stage, command: list[str]) -> None:
    if code := stage_spawn(stage, command, {}).wait():
        raise SystemExit(f"exit code {code}: {' '.join(command)}")


def stage_spawn(
    stage: Stage, command: list[str], given: dict[str, str]
) -> "subprocess.Popen[bytes]":
    """Start a command in the stage, with these variables beside its own."""
    inside = f'cd {stage.workdir} && exec "$@"'
    user = ["--userspec", stage.user] if stage.user != "root" else []
    return subprocess.Popen(
        ["/usr/sbin/chroot", *user, str(stage.root), "/bin/sh", "-c", inside, "sh", *command],
        env=stage.environment | given,
    )


def interpreter(image: str) -> Path:
    """This machine's Python of the version that the base image has, the first on PATH that runs."""
    version = re.search(r"python:(3\.\d+)", image)
    name = f"python{version[1]}" if version else ""
    for folder in os.environ["PATH"].split(os.pathsep):
        asked = [Path(folder, name), "-c", "import sys; print(sys.base_prefix)"]
        if version and asked[0].is_file():
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return Path(done.stdout.strip()) / "bin" / "python3"
    raise SystemExit(f"{image}: no {name or 'such Python'} on PATH that runs")


def main() -> None:
    options = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    options.add_argument("work", type=Path)
    options.add_argument("--keep", action="store_true", help="leave the roots for a closer look")
    chosen = options.parse_args()
    text = (PROJECT / "Dockerfile").read_text(encoding="utf-8")
    work = chosen.work.resolve()
    work.mkdir(parents=True)
    work.chmod(0o755)
    final = Replay(work, interpreter(text)).run(text)
    for command in (["adbid", "--help"], ["python", "-c", "import graph, training"]):
        print("--- as", final.user, *command, flush=True)
        stage_run(final, command)
    for name, size in sizes(final.root / "app").items():
        print(f"{size / 2**20:8,.0f} MiB {name}")
    if found := unwanted(final.root / "app"):
        raise SystemExit("\n".join(["the image holds what it must not:", *found]))
    print("no compiler, no development package, no CUDA", flush=True)
    entry = json.loads(next(rest for word, rest in instructions(text) if word == "ENTRYPOINT"))
    if entry != ROLE:
        raise SystemExit(f"the entry point is {entry}")
    check_roles(lambda command, given: stage_spawn(final, command, given), work / "stores")
    print("replayed, and every role does its job")
    if not chosen.keep:
        clear(work)


def clear(work: Path) -> None:
    """Take the mounts away, the innermost first, then the folder where none is left."""
    for place in sorted(mounts_below(work), reverse=True):
        subprocess.run(["umount", "--lazy", place], check=False)
    if left := mounts_below(work):
        raise SystemExit(f"{left[0]} is still mounted, so {work} stays")
    shutil.rmtree(work)


def mounts_below(work: Path) -> list[str]:
    """Every place below `work` where something is mounted."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [place for place in (line.split()[1] for line in lines) if place.startswith(f"{work}/")]


if __name__ == "__main__":
    sys.exit(main())
