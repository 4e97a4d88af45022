"""Why a bid did not win. Ad servers count these, so numbers and names never change meaning."""

from enum import IntEnum


class Reason(IntEnum):
    """0 is the winner's; 1-99 is a no-bid (never ranked); 100 and up is a ranked bid that lost."""

    WON = 0
    UNKNOWN_BRAND = 1
    BRAND_PAUSED = 2
    SLOT_PAUSED = 3
    PARTNER_PAUSED = 4
    PRICING_NOT_ALLOWED = 5
    MISSING_AOV = 6
    BELOW_MIN_VPI = 7
    BELOW_FLOOR = 8
    ZERO_VALUE = 9
    OUTBID = 100
    TIE_BROKEN = 101

    @property
    def is_no_bid(self) -> bool:
        """True when the bid never took part in the ranking."""
        return 0 < self.value < Reason.OUTBID
