"""A small generated log in the iPinYou format, with signal planted in it. No real row is here."""

import csv
import gzip
import hashlib
from pathlib import Path

import numpy as np

HEADER = [
    "click",
    "weekday",
    "hour",
    "bidid",
    "logtype",
    "userid",
    "useragent",
    "IP",
    "region",
    "city",
    "adexchange",
    "domain",
    "url",
    "urlid",
    "slotid",
    "slotwidth",
    "slotheight",
    "slotvisibility",
    "slotformat",
    "slotprice",
    "creative",
    "bidprice",
    "payprice",
    "keypage",
    "advertiser",
    "usertag",
]
SLOTS = 24
ADVERTISERS = ("9001", "9002", "9003")
SEGMENTS = ("70001", "70002", "70003", "70004")
SYSTEMS = ("windows_chrome", "android_browser", "ios_safari")
GOOD_SEGMENT = SEGMENTS[0]


def write_log(path: Path, rows: int, *, seed: int = 1) -> Path:
    """`rows` impressions; the first segment and the first slots click far more often."""
    rng = np.random.default_rng(seed)
    with gzip.open(path, "wt", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for number in range(rows):
            writer.writerow(_row(rng, number, seed))
    return path


def _row(rng: np.random.Generator, number: int, seed: int) -> list[object]:
    slot = int(rng.integers(SLOTS))
    advertiser = int(rng.integers(len(ADVERTISERS)))
    tags = [name for name in SEGMENTS if rng.random() < 0.3]
    odds = -2.6 + 0.8 * (slot < 4) + 1.6 * (GOOD_SEGMENT in tags) - 0.5 * advertiser
    clicked = int(rng.random() < 1 / (1 + np.exp(-odds)))
    price = int(rng.integers(20, 200))
    fields = {
        "click": clicked,
        "weekday": int(rng.integers(7)),
        "hour": int(rng.integers(24)),
        "bidid": hashlib.blake2b(f"{seed}:{number}".encode(), digest_size=16).hexdigest(),
        "logtype": 1,
        "userid": f"u{number % 97}",
        "useragent": SYSTEMS[int(rng.integers(len(SYSTEMS)))],
        "IP": "10.0.0.*",
        "region": int(rng.integers(1, 6)),
        "city": int(rng.integers(1, 20)),
        "adexchange": slot % 3 + 1,
        "domain": f"site{slot % 6}",
        "url": "null",
        "urlid": "null",
        "slotid": f"slot-{slot}",
        "slotwidth": 300 if slot % 2 else 728,
        "slotheight": 250 if slot % 2 else 90,
        "slotvisibility": slot % 3,
        "slotformat": 0,
        "slotprice": 5,
        "creative": f"creative-{advertiser}",
        "bidprice": 300,
        "payprice": price,
        "keypage": "null",
        "advertiser": ADVERTISERS[advertiser],
        "usertag": ",".join(tags) or "null",
    }
    return [fields[name] for name in HEADER]
