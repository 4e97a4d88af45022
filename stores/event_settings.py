"""Reads `configs/events.yaml`."""

from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveFloat, PositiveInt, ValidationError

from bidding.errors import FieldProblem, InvalidRequest
from stores.settings import PROJECT_ROOT


class _Checked(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecisionLogSettings(_Checked):
    """How many decisions are kept, and how they wait to be written."""

    sample: float = Field(default=1.0, ge=0, le=1)
    bids_per_s: PositiveFloat = 200.0
    flush_ms: PositiveFloat = 200.0
    batch_rows: PositiveInt = 500
    queue_rows: PositiveInt = 50_000
    queue_bids: PositiveInt = 5_000


class IngestSettings(_Checked):
    """How events are gathered into commits."""

    group_events: PositiveInt = 5_000
    waiting_events: PositiveInt = 50_000
    timeout_s: PositiveFloat = 5.0


class RollupSettings(_Checked):
    """How events become counts."""

    every_s: PositiveFloat = 1.0
    settle_s: float = Field(default=1.0, ge=0)
    batch_events: PositiveInt = 10_000
    give_up_after_s: PositiveFloat = 3600.0
    refresh_s: PositiveFloat = 2.0


class RetentionDays(_Checked):
    """For how many days rows are kept. Events may come for 30 days, so their decisions must."""

    decision: int = Field(default=35, ge=31)
    decision_bids: PositiveInt = 7
    event: int = Field(default=90, ge=31)
    outcome: int = Field(default=62, ge=31)
    event_key: int = Field(default=35, ge=31)
    decision_minute: int = Field(default=35, ge=2)


class EventSettings(_Checked):
    """The whole of `configs/events.yaml`."""

    decision_log: DecisionLogSettings = DecisionLogSettings()
    events: IngestSettings = IngestSettings()
    rollup: RollupSettings = RollupSettings()
    days_ahead: int = Field(default=7, ge=1)
    retention_days: RetentionDays = RetentionDays()


def load_event_settings(path: Path | None = None) -> EventSettings:
    """The limits of this installation. Raises `InvalidRequest` naming each wrong field."""
    file = path or PROJECT_ROOT / "configs" / "events.yaml"
    try:
        return EventSettings.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")) or {})
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, each["loc"])), each["msg"]) for each in error.errors()
        )
        raise InvalidRequest(f"{file.name} is wrong", problems=problems) from error
