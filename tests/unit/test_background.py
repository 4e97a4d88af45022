"""Training steps back with all its threads."""

import json
import os
import subprocess
import sys

import pytest

SHOW = """
import json, os, sys, threading
import numpy  # starts the threads of its BLAS
ready, end = threading.Event(), threading.Event()
threading.Thread(target=lambda: (ready.set(), end.wait()), daemon=True).start()
ready.wait()
from training.background import step_back
step_back(int(sys.argv[1]))
threading.Thread(target=end.wait, daemon=True).start()  # of after that
print(json.dumps([
    [os.getpriority(os.PRIO_PROCESS, int(t)), os.sched_getscheduler(int(t))]
    for t in os.listdir("/proc/self/task")
]))
"""


def threads_after(niceness: int) -> list[list[int]]:
    command = [sys.executable, "-c", SHOW, str(niceness)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    found: list[list[int]] = json.loads(done.stdout)
    return found


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux tells threads apart")
def test_every_thread_steps_back_those_of_before_too() -> None:
    found = threads_after(15)
    assert len(found) >= 3
    assert all(policy == os.SCHED_IDLE for _, policy in found), found
    assert all(nice >= 15 for nice, _ in found), found


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="Linux tells threads apart")
def test_a_niceness_of_zero_changes_nothing() -> None:
    assert not any(policy == os.SCHED_IDLE for _, policy in threads_after(0))
