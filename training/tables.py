"""The history that models are trained on, the same by hand and every night."""

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from bidding.contract import FeatureContract
from stores.outcomes import Maturity, live_rows
from stores.training_rows import Window, imported_rows, reported_clicks
from training.dataset import Dataset, conversions_of, dataset_of, key_of
from training.spec import NightlySpec


@dataclass(frozen=True, slots=True)
class Tables:
    """Frames of `stores.training_rows.COLUMNS`.

    `impressions`: imported logs, and what this service decided and heard of. `reported`: further
    clicks, which only reports tell of; without a context they teach conversions alone.
    """

    impressions: list[pl.DataFrame]
    reported: list[pl.DataFrame]

    def ctr_rows(self, contract: FeatureContract) -> Dataset:
        """Impressions; there must be some."""
        return dataset_of(self.impressions, contract)

    def cvr_rows(self, contract: FeatureContract) -> Dataset:
        """Mature clicks; there must be some table."""
        return conversions_of([*self.impressions, *self.reported], contract)

    def verticals(self) -> dict[int, str]:
        """The name of each vertical's key."""
        tables = [*self.impressions, *self.reported]
        return {key_of(n): n for table in tables for n in table["vertical"].unique() if n}


def read_tables(
    database_url: str, nightly: NightlySpec, now: datetime, since: datetime | None = None
) -> Tables:
    """What is mature at `now`, from `since` on (None: all there is)."""
    maturity = Maturity(
        click=timedelta(seconds=nightly.clicks_mature_s),
        conversion=timedelta(seconds=nightly.conversions_mature_s),
    )
    decided = live_rows(
        database_url,
        now,
        Window(since=since),
        maturity,
        simulated=None if nightly.include_simulated else False,
    )
    reported = reported_clicks(
        database_url,
        Window(since=since, until=now - maturity.conversion),
        simulated=nightly.include_simulated,
    )
    return Tables(
        [*imported_rows(database_url, Window(since=since)), *decided],
        [table for table in reported if len(table)],
    )


def conversions_in(clicks: Dataset) -> tuple[int, int]:
    """Clicks that converted, and those that did not."""
    converted = int((clicks.outcomes * clicks.counts).sum())
    return converted, int(clicks.counts.sum()) - converted
