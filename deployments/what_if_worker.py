"""`python -m deployments.what_if_worker`: seconds of arithmetic that delay no bundle.

A pickled `Task` comes on standard input from the ingress, a pickled `Comparison` goes out.
"""

import asyncio
import os
import pickle
import sys

from deployments.what_if_task import compare

NICENESS = 5


def main() -> None:
    """The process's whole life."""
    os.nice(NICENESS)
    task = pickle.loads(sys.stdin.buffer.read())  # noqa: S301 (from our parent's pipe)
    sys.stdout.buffer.write(pickle.dumps(asyncio.run(compare(task))))


if __name__ == "__main__":
    main()
