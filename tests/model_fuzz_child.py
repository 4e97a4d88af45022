"""Proves model files as `stores.model_check` does: a path a line in, a verdict a line out."""

import resource
import sys
from pathlib import Path

from bidding.errors import ModelRefused
from stores.model_check import prove
from stores.model_files import load

resource.setrlimit(resource.RLIMIT_AS, (8 * 2**30, 8 * 2**30))
print("ready", flush=True)
for line in sys.stdin:
    try:
        prove(Path(line.strip()), "adbid-ctr", "1", None)
        load(Path(line.strip()), name="adbid-ctr", version="1").warm_up()
        print("passed", flush=True)
    except ModelRefused as refusal:
        print(f"refused {refusal.detail!r}", flush=True)
