"""A small generated performance report in the columns of configs/imports/display_campaigns.yaml."""

import csv
from pathlib import Path

HEADER = (
    "month",
    "day",
    "campaign_number",
    "banner",
    "placement",
    "displays",
    "clicks",
    "post_click_conversions",
    "post_click_sales_amount",
)


def write_report(path: Path, days: int = 20) -> Path:
    """Two campaigns on three placements, a row a day."""
    with path.open("w", newline="") as out:
        rows = csv.writer(out)
        rows.writerow(HEADER)
        for day in range(1, days + 1):
            for number in range(6):
                place = f"place-{number % 3}"
                shown = 400 + 40 * number
                counts = (shown, shown // 20, shown // 200, 1.5 * (shown // 200))
                rows.writerow(("April", day, f"camp {number % 2}", "160 x 600", place, *counts))
    return path
