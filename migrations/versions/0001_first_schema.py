"""The first schema: catalogue, history, training rows, decision and event log, access.

Revises:
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
RATE = sa.Float(precision=53)
PRICE = sa.Numeric(precision=14, scale=6)
MONEY = sa.Numeric(precision=20, scale=6)
CODE = sa.String(collation="C")
NOW = sa.text("now()")
EMPTY_OBJECT = sa.text("'{}'::jsonb")
EMPTY_ARRAY = sa.text("'{}'::text[]")

# Creates each day's partition of decision and event from yesterday on. Rows that already fell
# into the default partition are moved, so a late call loses nothing. Answers how many it made.
ENSURE_PARTITIONS = """
CREATE FUNCTION ensure_partitions(days_ahead integer, days_back integer DEFAULT 1)
RETURNS integer LANGUAGE plpgsql AS $body$
DECLARE
    parent record;
    first_day date := (now() AT TIME ZONE 'UTC')::date - days_back;
    part_day date;
    part_name text;
    low timestamptz;
    high timestamptz;
    made integer := 0;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('ensure_partitions'));
    FOR parent IN
        SELECT * FROM (VALUES ('decision', 'decided_at'), ('event', 'occurred_at'))
            AS p(table_name, key_column)
    LOOP
        FOR step IN 0 .. days_back + days_ahead LOOP
            part_day := first_day + step;
            part_name := parent.table_name || '_' || to_char(part_day, 'YYYYMMDD');
            CONTINUE WHEN to_regclass(part_name) IS NOT NULL;
            low := part_day::timestamp AT TIME ZONE 'UTC';
            high := (part_day + 1)::timestamp AT TIME ZONE 'UTC';
            EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE',
                           parent.table_name || '_default');
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING ALL)',
                           part_name, parent.table_name);
            EXECUTE format(
                'WITH moved AS (DELETE FROM %I WHERE %I >= $1 AND %I < $2 RETURNING *) '
                'INSERT INTO %I SELECT * FROM moved',
                parent.table_name || '_default', parent.key_column, parent.key_column, part_name)
                USING low, high;
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent.table_name, part_name, low, high);
            made := made + 1;
        END LOOP;
    END LOOP;
    RETURN made;
END
$body$
"""


def upgrade() -> None:
    _create_catalogue()
    _create_history()
    _create_training()
    _create_log()
    _create_access()
    op.execute("INSERT INTO engine_state (id, version) VALUES (1, 0)")
    op.execute("CREATE TABLE decision_default PARTITION OF decision DEFAULT")
    op.execute("CREATE TABLE event_default PARTITION OF event DEFAULT")
    op.execute(ENSURE_PARTITIONS)
    op.execute("SELECT ensure_partitions(7)")


def downgrade() -> None:
    op.execute("DROP FUNCTION ensure_partitions(integer, integer)")
    for table in (
        "audit_log",
        "api_key",
        "event",
        "decision",
        "training_row",
        "import_source",
        "engine_state",
        "brand_total",
        "pair_total",
        "vertical_prior",
        "performance",
        "brand",
        "brand_strategy",
        "slot",
        "partner",
    ):
        op.drop_table(table)


def _create_catalogue() -> None:
    op.create_table(
        "partner",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("quality", RATE, server_default="0.5", nullable=False),
        sa.Column("bought_by", sa.Text(), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("bought_by IN ('CPM', 'CPC')", name=op.f("ck_partner_bought_by")),
        sa.CheckConstraint(
            "length(external_key) BETWEEN 1 AND 200", name=op.f("ck_partner_external_key")
        ),
        sa.CheckConstraint("quality BETWEEN 0 AND 1", name=op.f("ck_partner_quality")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_partner")),
        sa.UniqueConstraint("external_key", name=op.f("uq_partner_external_key")),
    )
    op.create_table(
        "slot",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_key", sa.Text(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("placement_score", RATE, server_default="0.5", nullable=False),
        sa.Column("floor", PRICE, server_default="0", nullable=False),
        sa.Column("vertical", sa.Text(), server_default="", nullable=False),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("floor >= 0 AND floor < 'Infinity'", name=op.f("ck_slot_floor")),
        sa.CheckConstraint(
            "length(external_key) BETWEEN 1 AND 200", name=op.f("ck_slot_external_key")
        ),
        sa.CheckConstraint("placement_score BETWEEN 0 AND 1", name=op.f("ck_slot_placement_score")),
        sa.CheckConstraint("width > 0 AND height > 0", name=op.f("ck_slot_size")),
        sa.ForeignKeyConstraint(["partner_id"], ["partner.id"], name=op.f("fk_slot_partner_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_slot")),
        sa.UniqueConstraint("external_key", name=op.f("uq_slot_external_key")),
    )
    op.create_index(op.f("ix_slot_partner_id"), "slot", ["partner_id"])
    op.create_table(
        "brand_strategy",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vpi_multiplier", sa.Numeric(precision=6, scale=4), nullable=False),
        sa.Column("priority", sa.Integer(), server_default="0", nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("length(name) >= 1", name=op.f("ck_brand_strategy_name")),
        sa.CheckConstraint(
            "vpi_multiplier > 0 AND vpi_multiplier <= 10",
            name=op.f("ck_brand_strategy_vpi_multiplier"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand_strategy")),
        sa.UniqueConstraint("name", name=op.f("uq_brand_strategy_name")),
    )
    op.create_table(
        "brand",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("external_key", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vertical", sa.Text(), server_default="", nullable=False),
        sa.Column("strategy_id", sa.BigInteger(), nullable=False),
        sa.Column("paused", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "cpa_on_bought_traffic", sa.Boolean(), server_default=sa.text("false"), nullable=False
        ),
        sa.Column("thresholds", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("updated_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("jsonb_typeof(thresholds) = 'object'", name=op.f("ck_brand_thresholds")),
        sa.CheckConstraint(
            "length(external_key) BETWEEN 1 AND 200", name=op.f("ck_brand_external_key")
        ),
        sa.ForeignKeyConstraint(
            ["strategy_id"], ["brand_strategy.id"], name=op.f("fk_brand_strategy_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_brand")),
        sa.UniqueConstraint("external_key", name=op.f("uq_brand_external_key")),
    )
    op.create_index(op.f("ix_brand_strategy_id"), "brand", ["strategy_id"])


def _create_history() -> None:
    op.create_table(
        "performance",
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", CODE, nullable=False),
        sa.Column("creative_type", CODE, nullable=False),
        sa.Column("hour_at", MOMENT, nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revenue", MONEY, server_default="0", nullable=False),
        sa.Column("prior_clicks", RATE, server_default="3", nullable=False),
        sa.Column("prior_imps", RATE, server_default="100", nullable=False),
        sa.CheckConstraint(
            "revenue >= 0 AND revenue < 'Infinity'", name=op.f("ck_performance_revenue")
        ),
        sa.CheckConstraint(
            "clicks <= impressions", name=op.f("ck_performance_clicks_within_impressions")
        ),
        sa.CheckConstraint(
            "conversions <= clicks", name=op.f("ck_performance_conversions_within_clicks")
        ),
        sa.CheckConstraint("conversions >= 0", name=op.f("ck_performance_conversions")),
        sa.CheckConstraint(
            "prior_clicks >= 0 AND prior_imps >= prior_clicks", name=op.f("ck_performance_prior")
        ),
        sa.PrimaryKeyConstraint(
            "slot_id",
            "brand_id",
            "device_type",
            "creative_type",
            "hour_at",
            name=op.f("pk_performance"),
        ),
    )
    op.create_index(op.f("ix_performance_slot_id_brand_id"), "performance", ["slot_id", "brand_id"])
    op.create_table(
        "vertical_prior",
        sa.Column("vertical", sa.Text(), nullable=False),
        sa.Column("rate", sa.Text(), nullable=False),
        sa.Column("prior_clicks", RATE, nullable=False),
        sa.Column("prior_imps", RATE, nullable=False),
        sa.Column("mean", RATE, nullable=False),
        sa.Column("low", RATE, nullable=False),
        sa.Column("high", RATE, nullable=False),
        sa.Column("pairs", sa.Integer(), nullable=False),
        sa.Column("fitted_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("rate IN ('ctr', 'cvr')", name=op.f("ck_vertical_prior_rate")),
        sa.CheckConstraint(
            "0 <= low AND low <= mean AND mean <= high AND high <= 1",
            name=op.f("ck_vertical_prior_interval"),
        ),
        sa.CheckConstraint("pairs >= 0", name=op.f("ck_vertical_prior_pairs")),
        sa.CheckConstraint(
            "prior_clicks > 0 AND prior_imps > prior_clicks", name=op.f("ck_vertical_prior_prior")
        ),
        sa.PrimaryKeyConstraint("vertical", "rate", name=op.f("pk_vertical_prior")),
    )
    op.create_table(
        "pair_total",
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("decayed_impressions", RATE, server_default="0", nullable=False),
        sa.Column("decayed_clicks", RATE, server_default="0", nullable=False),
        sa.Column("decayed_conversions", RATE, server_default="0", nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_pair_total_brand_id")),
        sa.ForeignKeyConstraint(["slot_id"], ["slot.id"], name=op.f("fk_pair_total_slot_id")),
        sa.PrimaryKeyConstraint("slot_id", "brand_id", name=op.f("pk_pair_total")),
    )
    op.create_table(
        "brand_total",
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("decayed_impressions", RATE, server_default="0", nullable=False),
        sa.Column("decayed_clicks", RATE, server_default="0", nullable=False),
        sa.Column("decayed_conversions", RATE, server_default="0", nullable=False),
        sa.Column("as_of", MOMENT, nullable=False),
        sa.ForeignKeyConstraint(["brand_id"], ["brand.id"], name=op.f("fk_brand_total_brand_id")),
        sa.PrimaryKeyConstraint("brand_id", name=op.f("pk_brand_total")),
    )
    op.create_table(
        "engine_state",
        sa.Column("id", sa.SmallInteger(), server_default="1", autoincrement=False, nullable=False),
        sa.Column("version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("half_life_days", RATE, server_default="30", nullable=False),
        sa.CheckConstraint(
            "half_life_days > 0 AND half_life_days < 'Infinity'",
            name=op.f("ck_engine_state_half_life_days"),
        ),
        sa.CheckConstraint("id = 1", name=op.f("ck_engine_state_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_engine_state")),
    )


def _create_training() -> None:
    op.create_table(
        "import_source",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("sha256", CODE, nullable=False),
        sa.Column("path_name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("options", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("rejected", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("imported_at", MOMENT, server_default=NOW, nullable=False),
        sa.CheckConstraint("sha256 ~ '^[0-9a-f]{64}$'", name=op.f("ck_import_source_sha256")),
        sa.CheckConstraint("accepted BETWEEN 0 AND rows", name=op.f("ck_import_source_accepted")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_import_source")),
        sa.UniqueConstraint("sha256", name=op.f("uq_import_source_sha256")),
    )
    op.create_table(
        "training_row",
        sa.Column("row_key", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_id", sa.BigInteger(), nullable=False),
        sa.Column("clicked", sa.Boolean(), nullable=False),
        sa.Column("converted", sa.Boolean(), nullable=True),
        sa.Column("weight", RATE, server_default="1", nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("partner_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", CODE, server_default="", nullable=False),
        sa.Column("browser", CODE, server_default="", nullable=False),
        sa.Column("region", CODE, server_default="", nullable=False),
        sa.Column("city", CODE, server_default="", nullable=False),
        sa.Column("site", CODE, server_default="", nullable=False),
        sa.Column("creative", CODE, server_default="", nullable=False),
        sa.Column("creative_type", CODE, server_default="", nullable=False),
        sa.Column("segments", ARRAY(sa.Text()), server_default=EMPTY_ARRAY, nullable=False),
        sa.Column("bid_price", PRICE, nullable=True),
        sa.Column("market_price", PRICE, nullable=True),
        sa.Column("floor", PRICE, nullable=True),
        sa.CheckConstraint(
            "weight > 0 AND weight < 'Infinity'", name=op.f("ck_training_row_weight")
        ),
        sa.CheckConstraint(
            "bid_price >= 0 AND market_price >= 0 AND floor >= 0",
            name=op.f("ck_training_row_prices"),
        ),
        sa.CheckConstraint(
            "clicked OR converted IS NOT TRUE", name=op.f("ck_training_row_conversion_needs_click")
        ),
        sa.ForeignKeyConstraint(
            ["source_id"],
            ["import_source.id"],
            name=op.f("fk_training_row_source_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("row_key", name=op.f("pk_training_row")),
    )
    op.create_index(op.f("ix_training_row_occurred_at"), "training_row", ["occurred_at"])
    op.create_index(op.f("ix_training_row_source_id"), "training_row", ["source_id"])


def _create_log() -> None:
    op.create_table(
        "decision",
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", sa.Text(), nullable=False),
        sa.Column("auction", sa.Text(), nullable=False),
        sa.Column("winner_bid_id", sa.Text(), nullable=True),
        sa.Column("winner_brand_id", sa.BigInteger(), nullable=True),
        sa.Column("winner_vpi", sa.Numeric(precision=24, scale=12), nullable=True),
        sa.Column("models", JSONB(), server_default=EMPTY_OBJECT, nullable=False),
        sa.Column("degraded", ARRAY(sa.Text()), server_default=EMPTY_ARRAY, nullable=False),
        sa.Column("bundle", JSONB(), nullable=False),
        sa.Column("results", JSONB(), nullable=False),
        sa.Column("propensity", RATE, nullable=True),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "auction IN ('first_price', 'second_price')", name=op.f("ck_decision_auction")
        ),
        sa.CheckConstraint(
            "propensity > 0 AND propensity <= 1", name=op.f("ck_decision_propensity")
        ),
        sa.PrimaryKeyConstraint("decision_id", "decided_at", name=op.f("pk_decision")),
        postgresql_partition_by="RANGE (decided_at)",
    )
    op.create_index(op.f("ix_decision_decided_at"), "decision", ["decided_at"])
    op.create_index(op.f("ix_decision_slot_id_decided_at"), "decision", ["slot_id", "decided_at"])
    op.create_table(
        "event",
        sa.Column("event_id", CODE, nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=True),
        sa.Column("bid_id", sa.Text(), nullable=True),
        sa.Column("received_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("value", MONEY, nullable=True),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", sa.Text(), server_default="", nullable=False),
        sa.Column("creative_type", sa.Text(), server_default="", nullable=False),
        sa.Column("flags", ARRAY(sa.Text()), server_default=EMPTY_ARRAY, nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "type IN ('impression', 'click', 'conversion')", name=op.f("ck_event_type")
        ),
        sa.CheckConstraint("value >= 0 AND value < 'Infinity'", name=op.f("ck_event_value")),
        sa.CheckConstraint("length(event_id) BETWEEN 1 AND 200", name=op.f("ck_event_event_id")),
        sa.PrimaryKeyConstraint("event_id", "occurred_at", name=op.f("pk_event")),
        postgresql_partition_by="RANGE (occurred_at)",
    )
    op.create_index(op.f("ix_event_decision_id"), "event", ["decision_id"])
    op.create_index(op.f("ix_event_received_at"), "event", ["received_at"])


def _create_access() -> None:
    op.create_table(
        "api_key",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("prefix", CODE, nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("scopes", ARRAY(sa.Text()), nullable=False),
        sa.Column("created_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.CheckConstraint(
            "cardinality(scopes) > 0 AND scopes <@ ARRAY['score', 'ops', 'ml', 'view']",
            name=op.f("ck_api_key_scopes"),
        ),
        sa.CheckConstraint("octet_length(hash) = 32", name=op.f("ck_api_key_hash")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_key")),
        sa.UniqueConstraint("prefix", name=op.f("uq_api_key_prefix")),
    )
    op.create_table(
        "audit_log",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("entity", sa.Text(), nullable=False),
        sa.Column("entity_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("before", JSONB(), nullable=True),
        sa.Column("after", JSONB(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("reverts_id", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "length(actor) >= 1 AND length(action) >= 1", name=op.f("ck_audit_log_actor")
        ),
        sa.ForeignKeyConstraint(
            ["reverts_id"], ["audit_log.id"], name=op.f("fk_audit_log_reverts_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        sa.UniqueConstraint("reverts_id", name=op.f("uq_audit_log_reverts_id")),
    )
    op.create_index(
        op.f("ix_audit_log_entity_entity_id_id"), "audit_log", ["entity", "entity_id", "id"]
    )
