"""What the peers that use pydantic take and give, as people write it."""

from datetime import datetime

from pydantic import BaseModel, Field


class Bid(BaseModel):
    bid_id: str
    brand_id: int
    pricing_model: str
    amount: float = Field(ge=0)
    creative_type: str = "banner"


class Bundle(BaseModel):
    slot_id: int
    device_type: str = "mobile"
    timestamp: datetime | None = None
    bids: list[Bid] = Field(min_length=1, max_length=1000)


class Ranked(BaseModel):
    bid_id: str
    rank: int
    vpi: float


class Answer(BaseModel):
    slot_id: int
    results: list[Ranked]
