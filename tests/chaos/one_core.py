"""`python -m tests.chaos.one_core`: the whole system on one core, as on the smallest machine.

Everything, stores and load included, is bound to the first core. Prints what a start took, what
all processes hold (PSS) and what became of a steady load; exits with 1 above 4 GiB or where a
decision was not answered.
"""

import argparse
import json
import os
import subprocess
import sys
from typing import Any

from rich.console import Console
from rich.table import Table

from stores.settings import PROJECT_ROOT
from tests.folders import open_folder

LIMIT_BYTES = 4 * 2**30
STORES = {"DATABASE_URL", "REDIS_URL", "MLFLOW_TRACKING_URI", "RAY_ADDRESS"}


def adbid(environment: dict[str, str], *arguments: str) -> dict[str, Any]:
    """A command's JSON. Raises `RuntimeError` with what it said where it failed."""
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--json"],
        env=environment,
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(f"adbid {' '.join(arguments)}: {done.stderr}{done.stdout}")
    return dict(json.loads(done.stdout))


def main() -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=20.0, help="bundles a second, of 8 bids")
    parser.add_argument("--duration", default="20s")
    parser.add_argument("--port", type=int, default=19_600)
    chosen = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with open_folder("one") as folder:
        given = {name: value for name, value in os.environ.items() if name not in STORES}
        environment = given | {"ADBID_HOME": f"{folder}/home", "ADBID_PORT": str(chosen.port)}
        try:
            up = adbid(environment, "up", "--detach")
            load = ("--rate", str(chosen.rate), "--duration", chosen.duration)
            tally = adbid(environment, "simulate", *load)
            status = adbid(environment, "status")
        finally:
            subprocess.run(
                [sys.executable, "-m", "cli.main", "down"],
                env=environment,
                cwd=PROJECT_ROOT,
                check=False,
                capture_output=True,
            )
    return report(up, tally, status)


def report(up: dict[str, Any], tally: dict[str, Any], status: dict[str, Any]) -> int:
    """Print the table; 1 where it does not fit or did not answer."""
    held = int(status["memory_bytes"])
    table = Table("one core", "", title="Everything on one core")
    table.add_row("started in", f"{up['up_after_s']} s")
    for part in status["parts"]:
        if part["memory"]:
            table.add_row(part["name"], f"{part['memory'] / 2**20:,.0f} MiB")
    table.add_row("in all", f"{held / 2**30:.2f} GiB of 4")
    table.add_row("decisions asked", f"{tally['requests']:,}")
    table.add_row("answered", f"{tally['answered']:,}, {tally['degraded']:,} of them degraded")
    Console().print(table)
    return int(held > LIMIT_BYTES or tally["answered"] < tally["requests"])


if __name__ == "__main__":
    sys.exit(main())
