"""`adbid up` for the stores alone: `python -m tests.embedded_stores`, until SIGINT.

The same supervisor, locks, signals and files, without the half minute that MLflow and Ray take.
"""

from dataclasses import replace

from rich.console import Console

from cli.embedded.home import Home
from cli.embedded.lifecycle import run_plan
from cli.embedded.plan import plan
from stores.settings import load_settings

STORES = ("postgres", "redis", "schema")


def main() -> None:
    settings = load_settings(running_system=False)
    Home(settings.home).create()
    whole = plan(settings)
    parts = tuple(part for part in whole.parts if part.name in STORES)
    listening = {part.port for part in parts}
    wanted = {port: whose for port, whose in whole.ports.items() if port in listening}
    run_plan(replace(whole, parts=parts, ports=wanted), Console(), lambda _: None)


if __name__ == "__main__":
    main()
