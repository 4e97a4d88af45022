"""The tables, as SQLAlchemy Core metadata: what migrations build and `alembic check` compares.

Money is NUMERIC, rates are in [0, 1], times are timestamptz in UTC and end in `_at`.
`PARTITIONED_TABLES` are partitioned by day; see `stores/partitions.py`. Facts (performance,
training_row, decision, event, outcome) name slots and brands without a foreign key, whose check
per row would halve the import; `stores/catalogue.py` deletes no row that facts name.
"""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import (
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Float,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

MAX_KEY_LENGTH = 200
PARTITIONED_TABLES = ("decision", "decision_bids", "event", "outcome")

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)

Moment = DateTime(timezone=True)
Rate = Float(53)
Price = Numeric(14, 6)
Money = Numeric(20, 6)
Revenue = Numeric(38, 9)  # billionths: a CPM price over 1,000 impressions is exact
Value = Numeric()  # value per impression, prices as computed: no bound that a bid could break
Code = String(collation="C")  # short keys that are compared and sorted, never read as prose


def _id() -> Column[int]:
    return Column("id", BigInteger, Identity(), primary_key=True)


def _external_key() -> Column[str]:
    return Column("external_key", Text, nullable=False, unique=True)


def _key_length() -> CheckConstraint:
    return CheckConstraint(f"length(external_key) BETWEEN 1 AND {MAX_KEY_LENGTH}", "external_key")


def _edited() -> tuple[Column[int], Column[datetime], Column[datetime]]:
    """What every row that ops edit carries: `version` is its ETag."""
    return (
        Column("version", Integer, nullable=False, server_default="1"),
        Column("created_at", Moment, nullable=False, server_default=func.now()),
        Column("updated_at", Moment, nullable=False, server_default=func.now()),
    )


def _flag(name: str) -> Column[bool]:
    return Column(name, Boolean, nullable=False, server_default=text("false"))


def _count(name: str) -> Column[int]:
    return Column(name, BigInteger, nullable=False, server_default="0")


def _real(name: str) -> Column[float]:
    return Column(name, Rate, nullable=False, server_default="0")


partner = Table(
    "partner",
    metadata,
    _id(),
    _external_key(),
    Column("name", Text, nullable=False),
    Column("quality", Rate, nullable=False, server_default="0.5"),
    Column("bought_by", Text),
    _flag("paused"),
    *_edited(),
    _key_length(),
    CheckConstraint("quality BETWEEN 0 AND 1", "quality"),
    CheckConstraint("bought_by IN ('CPM', 'CPC')", "bought_by"),
)

slot = Table(
    "slot",
    metadata,
    _id(),
    _external_key(),
    Column("partner_id", BigInteger, ForeignKey("partner.id"), nullable=False),
    Column("name", Text, nullable=False),
    Column("placement_score", Rate, nullable=False, server_default="0.5"),
    Column("floor", Price, nullable=False, server_default="0"),
    Column("vertical", Text, nullable=False, server_default=""),
    Column("width", Integer),
    Column("height", Integer),
    Column("format", Text),
    _flag("paused"),
    *_edited(),
    _key_length(),
    CheckConstraint("placement_score BETWEEN 0 AND 1", "placement_score"),
    CheckConstraint("floor >= 0 AND floor < 'Infinity'", "floor"),
    CheckConstraint("width > 0 AND height > 0", "size"),
    Index(None, "partner_id"),
)

brand_strategy = Table(
    "brand_strategy",
    metadata,
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("vpi_multiplier", Numeric(6, 4), nullable=False),
    Column("priority", Integer, nullable=False, server_default="0"),
    *_edited(),
    CheckConstraint("vpi_multiplier > 0 AND vpi_multiplier <= 10", "vpi_multiplier"),
    CheckConstraint("length(name) >= 1", "name"),
)

brand = Table(
    "brand",
    metadata,
    _id(),
    _external_key(),
    Column("name", Text, nullable=False),
    Column("vertical", Text, nullable=False, server_default=""),
    Column("strategy_id", BigInteger, ForeignKey("brand_strategy.id"), nullable=False),
    _flag("paused"),
    _flag("cpa_on_bought_traffic"),
    Column("thresholds", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    *_edited(),
    _key_length(),
    CheckConstraint("jsonb_typeof(thresholds) = 'object'", "thresholds"),
    Index(None, "strategy_id"),
)

performance = Table(
    "performance",
    metadata,
    Column("slot_id", BigInteger, primary_key=True),
    Column("brand_id", BigInteger, primary_key=True),
    Column("device_type", Code, primary_key=True),
    Column("creative_type", Code, primary_key=True),
    Column("hour_at", Moment, primary_key=True),
    _count("impressions"),
    _count("clicks"),
    _count("conversions"),
    Column("revenue", Revenue, nullable=False, server_default="0"),
    Column("prior_clicks", Rate, nullable=False, server_default="3"),
    Column("prior_imps", Rate, nullable=False, server_default="100"),
    CheckConstraint("conversions >= 0", "conversions"),
    CheckConstraint("clicks <= impressions", "clicks_within_impressions"),
    CheckConstraint("conversions <= clicks", "conversions_within_clicks"),
    CheckConstraint("revenue >= 0 AND revenue < 'Infinity'", "revenue"),
    CheckConstraint("prior_clicks >= 0 AND prior_imps >= prior_clicks", "prior"),
    Index(None, "slot_id", "brand_id"),
)

vertical_prior = Table(
    "vertical_prior",
    metadata,
    Column("vertical", Text, primary_key=True),
    Column("rate", Text, primary_key=True),
    Column("prior_clicks", Rate, nullable=False),
    Column("prior_imps", Rate, nullable=False),
    Column("mean", Rate, nullable=False),
    Column("low", Rate, nullable=False),
    Column("high", Rate, nullable=False),
    Column("pairs", Integer, nullable=False),
    Column("fitted_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("rate IN ('ctr', 'cvr')", "rate"),
    CheckConstraint("prior_clicks > 0 AND prior_imps > prior_clicks", "prior"),
    CheckConstraint("0 <= low AND low <= mean AND mean <= high AND high <= 1", "interval"),
    CheckConstraint("pairs >= 0", "pairs"),
)


def _totals() -> tuple[Column[int] | Column[float] | Column[datetime], ...]:
    """Plain counts, and the same decayed to `as_of`; see `stores/totals.py`.

    No checks: a change taken away passes through ON CONFLICT as a row of negative counts.
    """
    return (
        _count("impressions"),
        _count("clicks"),
        _count("conversions"),
        _real("decayed_impressions"),
        _real("decayed_clicks"),
        _real("decayed_conversions"),
        Column("as_of", Moment, nullable=False),
    )


pair_total = Table(
    "pair_total",
    metadata,
    Column("slot_id", BigInteger, ForeignKey("slot.id"), primary_key=True),
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True),
    *_totals(),
)

brand_total = Table(
    "brand_total",
    metadata,
    Column("brand_id", BigInteger, ForeignKey("brand.id"), primary_key=True),
    *_totals(),
)


def _hourly() -> tuple[Column[int] | Column[Decimal], ...]:
    """Sums over `performance`, so that a dashboard never scans it; see `stores/totals.py`."""
    return (
        _count("impressions"),
        _count("clicks"),
        _count("conversions"),
        Column("revenue", Revenue, nullable=False, server_default="0"),
    )


slot_hour = Table(
    "slot_hour",
    metadata,
    Column("hour_at", Moment, primary_key=True),
    Column("slot_id", BigInteger, primary_key=True),
    Column("device_type", Code, primary_key=True),
    *_hourly(),
)

brand_hour = Table(
    "brand_hour",
    metadata,
    Column("hour_at", Moment, primary_key=True),
    Column("brand_id", BigInteger, primary_key=True),
    Column("device_type", Code, primary_key=True),
    *_hourly(),
)

# What the logged decisions of a minute were: `measure` says what is summed, `bin` which kind.
decision_minute = Table(
    "decision_minute",
    metadata,
    Column("measure", Code, primary_key=True),
    Column("minute_at", Moment, primary_key=True),
    Column("bin", Integer, primary_key=True, autoincrement=False),
    Column("total", Rate, nullable=False),
)

engine_state = Table(
    "engine_state",
    metadata,
    Column("id", SmallInteger, primary_key=True, autoincrement=False, server_default="1"),
    Column("version", BigInteger, nullable=False, server_default="0"),
    Column("half_life_days", Rate, nullable=False, server_default="30"),
    CheckConstraint("id = 1", "one_row"),
    CheckConstraint("half_life_days > 0 AND half_life_days < 'Infinity'", "half_life_days"),
)

import_source = Table(
    "import_source",
    metadata,
    _id(),
    Column("sha256", Code, nullable=False, unique=True),
    Column("path_name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("options", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    _count("rows"),
    _count("accepted"),
    Column("rejected", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("imported_at", Moment, nullable=False, server_default=func.now()),
    CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", "sha256"),
    CheckConstraint("accepted BETWEEN 0 AND rows", "accepted"),
)

training_row = Table(
    "training_row",
    metadata,
    Column("row_key", BigInteger, primary_key=True, autoincrement=False),
    Column(
        "source_id", BigInteger, ForeignKey("import_source.id", ondelete="CASCADE"), nullable=False
    ),
    Column("clicked", Boolean, nullable=False),
    Column("converted", Boolean),
    Column("weight", Rate, nullable=False, server_default="1"),
    Column("occurred_at", Moment, nullable=False),
    Column("slot_id", BigInteger, nullable=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("partner_id", BigInteger, nullable=False),
    *(
        Column(name, Code, nullable=False, server_default="")
        for name in (
            "device_type",
            "browser",
            "region",
            "city",
            "site",
            "creative",
            "creative_type",
        )
    ),
    Column("segments", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("bid_price", Price),
    Column("market_price", Price),
    Column("floor", Price),
    CheckConstraint("weight > 0 AND weight < 'Infinity'", "weight"),
    CheckConstraint("clicked OR converted IS NOT TRUE", "conversion_needs_click"),
    CheckConstraint("bid_price >= 0 AND market_price >= 0 AND floor >= 0", "prices"),
    Index(None, "occurred_at"),
    Index(None, "source_id"),
)

decision = Table(
    "decision",
    metadata,
    Column("decision_id", Uuid, primary_key=True),
    Column("decided_at", Moment, primary_key=True),
    Column("slot_id", BigInteger, nullable=False),
    Column("device_type", Text, nullable=False),
    Column("auction", Text, nullable=False),
    Column("winner_bid_id", Text),
    Column("winner_brand_id", BigInteger),
    Column("winner_vpi", Value),
    Column("winner_pricing_model", SmallInteger),
    Column("winner_creative_type", Text),
    Column("winner_creative", Text),
    Column("clearing_vpi", Value),
    Column("clearing_amount", Value),
    Column("floor", Value, nullable=False, server_default="0"),
    Column("bid_count", Integer, nullable=False, server_default="0"),
    Column("models", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("degraded", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    Column("bundle", JSONB, nullable=False),
    Column("results", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    Column("propensity", Rate),
    Column("took_ms", REAL),
    _flag("simulated"),
    Column("winner_ctr", REAL),
    Column("winner_cvr", REAL),
    CheckConstraint("auction IN ('first_price', 'second_price')", "auction"),
    CheckConstraint("propensity > 0 AND propensity <= 1", "propensity"),
    Index(None, "decided_at"),
    Index(None, "slot_id", "decided_at"),
    postgresql_partition_by="RANGE (decided_at)",
)

decision_bids = Table(
    "decision_bids",
    metadata,
    Column("decided_at", Moment, primary_key=True),
    Column("decision_id", Uuid, primary_key=True),
    Column("brand_ids", ARRAY(BigInteger), nullable=False),
    Column("reasons", ARRAY(SmallInteger), nullable=False),
    Column("packed", LargeBinary, nullable=False),
    postgresql_partition_by="RANGE (decided_at)",
)

event = Table(
    "event",
    metadata,
    Column("event_id", Code, primary_key=True),
    Column("occurred_at", Moment, primary_key=True),
    Column("type", Text, nullable=False),
    Column("decision_id", Uuid),
    Column("bid_id", Text),
    Column("received_at", Moment, nullable=False, server_default=func.now()),
    Column("value", Money),
    Column("revenue", Revenue, nullable=False, server_default="0"),
    Column("slot_id", BigInteger),
    Column("brand_id", BigInteger),
    Column("device_type", Text, nullable=False, server_default=""),
    Column("creative_type", Text, nullable=False, server_default=""),
    Column("flags", ARRAY(Text), nullable=False, server_default=text("'{}'::text[]")),
    _flag("simulated"),
    Column("batch_id", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("type IN ('impression', 'click', 'conversion')", "type"),
    CheckConstraint("value >= 0 AND value < 'Infinity'", "value"),
    CheckConstraint(f"length(event_id) BETWEEN 1 AND {MAX_KEY_LENGTH}", "event_id"),
    CheckConstraint("(slot_id IS NULL) = (brand_id IS NULL)", "context"),
    Index(None, "batch_id"),
    Index(None, "decision_id"),
    postgresql_partition_by="RANGE (occurred_at)",
)

event_key = Table(
    "event_key",
    metadata,
    Column("event_id", Code, primary_key=True),
    Column("received_at", Moment, nullable=False, server_default=func.now()),
    Index(None, "received_at", postgresql_using="brin"),
)

event_batch = Table(
    "event_batch",
    metadata,
    Column("batch_id", BigInteger, Identity(), primary_key=True),
    Column("received_at", Moment, nullable=False, server_default=func.now()),
    Column("events", Integer, nullable=False),
    Column("first_at", Moment, nullable=False),
    Column("last_at", Moment, nullable=False),
)

event_waiting = Table(
    "event_waiting",
    metadata,
    Column("event_id", Code, primary_key=True),
    Column("occurred_at", Moment, primary_key=True),
    Column("since_at", Moment, nullable=False),
    Column("retry_at", Moment, nullable=False),
    Index(None, "retry_at"),
)


def _step(name: str) -> tuple[Column[str], Column[datetime], Column[Decimal]]:
    """The first event of one type for a decision's bid."""
    return (
        Column(f"{name}_event_id", Code),
        Column(f"{name}_at", Moment),
        Column(f"{name}_revenue", Revenue, nullable=False, server_default="0"),
    )


outcome = Table(
    "outcome",
    metadata,
    Column("decision_id", Uuid, primary_key=True),
    Column("bid_id", Code, primary_key=True),
    Column("decided_at", Moment, primary_key=True),
    Column("slot_id", BigInteger, nullable=False),
    Column("brand_id", BigInteger, nullable=False),
    Column("device_type", Text, nullable=False, server_default=""),
    Column("creative_type", Text, nullable=False, server_default=""),
    _flag("simulated"),
    *_step("impression"),
    *_step("click"),
    *_step("conversion"),
    postgresql_partition_by="RANGE (decided_at)",
)

keyless_count = Table(
    "keyless_count",
    metadata,
    Column("slot_id", BigInteger, primary_key=True),
    Column("brand_id", BigInteger, primary_key=True),
    Column("device_type", Code, primary_key=True),
    Column("creative_type", Code, primary_key=True),
    Column("hour_at", Moment, primary_key=True),
    _count("impressions"),
    _count("clicks"),
    _count("conversions"),
    Column("revenue", Revenue, nullable=False, server_default="0"),
)

rollup_owed = Table(
    "rollup_owed",
    metadata,
    Column("slot_id", BigInteger, primary_key=True),
)

training_run = Table(
    "training_run",
    metadata,
    Column("submission_id", Code, primary_key=True),
    Column("night", Date),
    Column("status", Text, nullable=False, server_default="PENDING"),
    Column("submitted_at", Moment, nullable=False, server_default=func.now()),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("progress", Text, nullable=False, server_default=""),
    Column("run_id", Text),
    Column("model_rows", BigInteger),
    Column("verdict", Text),
    Column("ne", Rate),
    Column("champion_ne", Rate),
    Column("error", Text),
    CheckConstraint("status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED')", "status"),
    UniqueConstraint("night"),
    Index(None, "submitted_at"),
)

model_change = Table(
    "model_change",
    metadata,
    _id(),
    Column("at", Moment, nullable=False, server_default=func.now()),
    Column("name", Code, nullable=False),
    Column("alias", Code, nullable=False),
    Column("from_version", Text),
    Column("to_version", Text),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    Column("kind", Text, nullable=False),
    CheckConstraint("kind IN ('promote', 'rollback', 'automatic_rollback')", "kind"),
    CheckConstraint("length(actor) >= 1", "actor"),
    Index(None, "name", "id"),
)

shadow_score = Table(
    "shadow_score",
    metadata,
    Column("decision_id", Uuid, primary_key=True),
    Column("name", Code, primary_key=True),
    Column("bid_id", Code, nullable=False),
    Column("decided_at", Moment, nullable=False),
    Column("champion_version", Text, nullable=False),
    Column("challenger_version", Text, nullable=False),
    Column("champion", REAL, nullable=False),
    Column("challenger", REAL, nullable=False),
    Index(None, "name", "decided_at"),
)

api_key = Table(
    "api_key",
    metadata,
    _id(),
    Column("name", Text, nullable=False),
    Column("prefix", Code, nullable=False, unique=True),
    Column("hash", LargeBinary, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("created_at", Moment, nullable=False, server_default=func.now()),
    Column("revoked_at", Moment),
    Column("last_used_at", Moment),
    CheckConstraint("octet_length(hash) = 32", "hash"),
    CheckConstraint(
        "cardinality(scopes) > 0 AND scopes <@ ARRAY['score', 'ops', 'ml', 'view']", "scopes"
    ),
)

audit_log = Table(
    "audit_log",
    metadata,
    _id(),
    Column("at", Moment, nullable=False, server_default=func.now()),
    Column("actor", Text, nullable=False),
    Column("entity", Text, nullable=False),
    Column("entity_id", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("before", JSONB),
    Column("after", JSONB),
    Column("reason", Text),
    Column("reverts_id", BigInteger, ForeignKey("audit_log.id")),
    CheckConstraint("length(actor) >= 1 AND length(action) >= 1", "actor"),
    Index(None, "entity", "entity_id", "id"),
    UniqueConstraint("reverts_id"),
)
