"""Reads `configs/auction.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from bidding.bundle import AuctionRules
from bidding.errors import FieldProblem, InvalidRequest
from stores.settings import PROJECT_ROOT


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class QualityExponents(_Checked):
    """By pricing model; 0 ignores quality, 1 takes it in full."""

    CPM: float = Field(default=0.0, ge=0, le=4)
    CPC: float = Field(default=1.0, ge=0, le=4)
    CPA: float = Field(default=1.0, ge=0, le=4)
    CPA_PERCENT: float = Field(default=1.0, ge=0, le=4)


class AuctionSettings(_Checked):
    """The whole of `configs/auction.yaml`; `increment` is per 1,000 impressions."""

    increment: float = Field(default=0.01, ge=0)
    quality_exponents: QualityExponents = QualityExponents()

    @property
    def rules(self) -> AuctionRules:
        each = self.quality_exponents
        return AuctionRules((each.CPM, each.CPC, each.CPA, each.CPA_PERCENT), self.increment)


def load_auction_rules(path: Path | None = None) -> AuctionRules:
    """The auction of this installation. Raises `InvalidRequest` naming each wrong field."""
    file = path or PROJECT_ROOT / "configs" / "auction.yaml"
    try:
        found = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        return AuctionSettings.model_validate(found).rules
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
        )
        raise InvalidRequest(f"{file.name} is wrong", problems=problems) from error
