"""`mlflow server` in one process instead of two.

`mlflow server` checks its options, prepares its tables, and then waits for a second process
that imports all of MLflow again. With one worker that copy does nothing but cost 200 MB and
half of the start: here uvicorn takes over the process that is there already.
"""

import os
from typing import NoReturn

import mlflow.server
import uvicorn
from mlflow.cli import cli


def become(
    command: list[str], *, extra_env: dict[str, str], capture_output: bool, synchronous: bool
) -> NoReturn:
    """Run the server that `mlflow server` was about to spawn: `python -m uvicorn options...`."""
    os.environ.update(extra_env)
    uvicorn.main(command[3:])
    raise SystemExit(0)


if __name__ == "__main__":
    mlflow.server._exec_cmd = become
    cli()
