"""Node, as the Makefile brings it, and Chromium, where the machine has one."""

import os
import shutil
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FRONTEND = ROOT / "frontend"
PNPM = ROOT / ".tools" / "pnpm" / "node_modules" / ".bin" / "pnpm"
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def find_chromium() -> str | None:
    """The path of a Chromium: `ADBID_CHROMIUM`, else one on PATH."""
    named = os.environ.get("ADBID_CHROMIUM")
    return named or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def build_dashboard() -> None:
    """`make dashboard`: quick where nothing changed since the last build."""
    subprocess.run(["make", "--no-print-directory", "dashboard"], cwd=ROOT, check=True)


def pnpm(*arguments: str, timeout_s: float, **environment: str) -> None:
    """Run a script of frontend/package.json; fails with what it printed."""
    tools = f"{ROOT / '.tools' / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        [str(PNPM), *arguments],
        cwd=FRONTEND,
        env=os.environ | {"PATH": tools, "CI": "1", "NO_COLOR": "1"} | environment,
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    assert done.returncode == 0, f"pnpm {' '.join(arguments)}\n{done.stdout}\n{done.stderr}"
