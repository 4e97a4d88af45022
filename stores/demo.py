"""The demo catalogue: invented partners, slots and brands that an empty system starts with.

Ids are fixed, so that the README's `slot_id: 7, brand_id: 3` means the same everywhere.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DemoSlot:
    slot_id: int
    partner_id: int
    name: str
    vertical: str
    placement_score: float
    floor: float
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class DemoBrand:
    brand_id: int
    name: str
    vertical: str
    strategy: str


# name, vpi_multiplier, priority; ids 1-5 in this order
STRATEGIES = (
    ("Maximize ROI", "1.25", 50),
    ("Maximize Reach", "1.10", 40),
    ("Minimize CPA/CPC", "0.90", 30),
    ("Even budget pacing", "1.00", 20),
    ("Balanced", "1.00", 10),
)

DEMO_SLOT = "demo-slot-"
"""What the external keys of demo slots start with."""

# id, name, quality, bought_by
PARTNERS = ((1, "Demo news", 0.8, None), (2, "Demo weather", 0.6, "CPM"))

SLOTS = (
    DemoSlot(1, 1, "Demo news, top banner", "news", 0.9, 0.50, 728, 90),
    DemoSlot(2, 1, "Demo news, side box", "news", 0.6, 0.30, 300, 250),
    DemoSlot(3, 1, "Demo news, foot banner", "news", 0.2, 0.10, 728, 90),
    DemoSlot(4, 1, "Demo news, in article", "sports", 0.8, 0.40, 300, 250),
    DemoSlot(5, 2, "Demo weather, top banner", "weather", 0.8, 0.40, 320, 50),
    DemoSlot(6, 2, "Demo weather, map", "weather", 0.7, 0.25, 300, 250),
    DemoSlot(7, 1, "Demo news, mobile top", "news", 0.9, 0.50, 320, 50),
    DemoSlot(8, 2, "Demo weather, foot banner", "travel", 0.3, 0.05, 320, 50),
)

BRANDS = (
    DemoBrand(1, "Demo shoes", "retail", "Maximize ROI"),
    DemoBrand(2, "Demo flights", "travel", "Maximize Reach"),
    DemoBrand(3, "Demo groceries", "retail", "Balanced"),
    DemoBrand(4, "Demo bank", "finance", "Minimize CPA/CPC"),
    DemoBrand(5, "Demo puzzles", "games", "Even budget pacing"),
    DemoBrand(6, "Demo hotels", "travel", "Balanced"),
)

DEVICES = ("mobile", "desktop")
BASE_CTR = {"retail": 0.004, "travel": 0.003, "finance": 0.002, "games": 0.006}
HISTORY_DAYS = 3


@dataclass(frozen=True, slots=True)
class DemoCounts:
    slot_id: int
    brand_id: int
    device_type: str
    days_ago: int
    impressions: int
    clicks: int
    conversions: int


def demo_history() -> list[DemoCounts]:
    """Counts of `HISTORY_DAYS` days for each slot, brand and device; the same on every call."""
    return [
        _counts(slot, brand, device, days_ago)
        for slot in SLOTS
        for brand in BRANDS
        for device in DEVICES
        for days_ago in range(1, HISTORY_DAYS + 1)
    ]


def _counts(slot: DemoSlot, brand: DemoBrand, device: str, days_ago: int) -> DemoCounts:
    impressions = 400 + 100 * ((slot.slot_id * 7 + brand.brand_id * 3 + days_ago) % 9)
    ctr = BASE_CTR[brand.vertical] * (0.5 + slot.placement_score)
    clicks = round(impressions * ctr * (1.2 if device == "mobile" else 0.9))
    return DemoCounts(
        slot.slot_id, brand.brand_id, device, days_ago, impressions, clicks, clicks // 4
    )
