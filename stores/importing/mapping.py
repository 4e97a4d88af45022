"""A declared mapping from a report's columns to ours, read from `configs/imports/NAME.yaml`."""

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from bidding.errors import FieldProblem, InvalidRequest

Name = Annotated[str, Field(min_length=1)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Columns(_Strict):
    """Which column of the report is which of ours; what is not given is empty or 0."""

    slot: Name
    brand: Name
    impressions: Name
    clicks: Name
    partner: Name | None = None
    device_type: Name | None = None
    creative_type: Name | None = None
    conversions: Name | None = None
    revenue: Name | None = None


class When(_Strict):
    """The hour or day of a row: one `at` column, or its parts."""

    at: Name | None = None
    year: Name | int | None = None
    month: Name | None = None
    month_form: Literal["number", "name"] = "number"
    day: Name | None = None
    hour: Name | None = None

    @model_validator(mode="after")
    def _complete(self) -> "When":
        parts = (self.year, self.month, self.day)
        if (self.at is None) == (None in parts):
            raise ValueError("give either `at`, or all of `year`, `month` and `day`")
        return self


class Mapping(_Strict):
    """One kind of report. `missing_keys` are texts that mean "no key"; they become `unknown`.

    A row whose creative or device type is not among `creative_types` or `device_types` is
    rejected; None takes any.
    """

    name: Name
    columns: Columns
    when: When
    partner: Name = "imported"
    missing_keys: tuple[str, ...] = ("",)
    unknown: Name = "unknown"
    creative_types: tuple[str, ...] | None = None
    device_types: tuple[str, ...] | None = None

    @property
    def required(self) -> list[str]:
        """The report's columns that are read."""
        named = self.columns.model_dump(exclude_none=True).values()
        parts = (self.when.at, self.when.year, self.when.month, self.when.day, self.when.hour)
        wanted = [*named, *(part for part in parts if isinstance(part, str))]
        return list(dict.fromkeys(wanted))


def load_mapping(path: Path, year: int | None = None) -> Mapping:
    """The mapping of a file, with the year replaced where one is given.

    Raises `InvalidRequest` naming each wrong field.
    """
    document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    if year is not None and isinstance(document, dict) and isinstance(document.get("when"), dict):
        document["when"]["year"] = year
    try:
        return Mapping.model_validate(document)
    except ValidationError as error:
        problems = tuple(
            FieldProblem(".".join(map(str, e["loc"])), str(e["msg"])) for e in error.errors()
        )
        raise InvalidRequest(f"{path.name} is not a mapping", problems=problems) from error
