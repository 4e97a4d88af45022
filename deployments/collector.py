"""Python's cycle collector in a replica: seldom, and without what lives as long as the process."""

import gc

# Some hundred bundles', and their rows in the decision log. With Python's own 700, looking took
# 5% of an ingress' time.
REQUESTS = 50_000


def calm(after: int = REQUESTS) -> None:
    """Keep all there is out of the collector's way, and have it look for cycles only each `after`
    objects: requests and batches make many objects and next to no cycle."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(after, 20, 50)
