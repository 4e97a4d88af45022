"""Events counted exactly once, decisions kept compactly, training rows from live traffic.

Revises: 0001
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import ARRAY

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
MONEY = sa.Numeric(precision=20, scale=6)
REVENUE = sa.Numeric(precision=38, scale=9)
VALUE = sa.Numeric()
CODE = sa.String(collation="C")
NOW = sa.text("now()")
FALSE = sa.text("false")

# As in 0001, for the tables that the placeholder names. Creates each day's partitions from
# `days_back` ago on; rows that already fell into the default partition are moved.
ENSURE_PARTITIONS = """
CREATE OR REPLACE FUNCTION ensure_partitions(days_ahead integer, days_back integer DEFAULT 1)
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
        SELECT * FROM (VALUES {tables}) AS p(table_name, key_column)
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
BEFORE = "('decision', 'decided_at'), ('event', 'occurred_at')"
AFTER = f"{BEFORE}, ('decision_bids', 'decided_at'), ('outcome', 'decided_at')"

# The columns of training_row, from what became of served bids; `bid_price`, `market_price` and
# `floor` per 1,000 impressions as there. A click or conversion may still come.
LIVE_TRAINING_ROW = """
CREATE VIEW live_training_row AS
SELECT hashtextextended(o.decision_id::text || ' ' || o.bid_id, 0) AS row_key,
    o.click_at IS NOT NULL AS clicked,
    o.click_at IS NOT NULL AND o.conversion_at IS NOT NULL AS converted,
    1.0::float8 AS weight,
    o.impression_at AS occurred_at,
    o.slot_id, o.brand_id, s.partner_id, o.device_type,
    coalesce(d.bundle->>'browser', '') AS browser,
    coalesce(d.bundle->>'region', '') AS region,
    coalesce(d.bundle->>'city', '') AS city,
    coalesce(d.bundle->>'site', '') AS site,
    CASE WHEN o.bid_id = d.winner_bid_id THEN coalesce(d.winner_creative, '') ELSE '' END
        AS creative,
    o.creative_type,
    ARRAY(SELECT jsonb_array_elements_text(coalesce(d.bundle->'segments', '[]'))) AS segments,
    CASE WHEN o.bid_id = d.winner_bid_id THEN d.winner_vpi * 1000 END AS bid_price,
    CASE WHEN o.bid_id = d.winner_bid_id THEN d.clearing_vpi * 1000 END AS market_price,
    d.floor,
    o.decision_id, o.decided_at, o.click_at, o.conversion_at, o.simulated
FROM outcome o
JOIN slot s ON s.id = o.slot_id
LEFT JOIN decision d ON d.decision_id = o.decision_id AND d.decided_at = o.decided_at
WHERE o.impression_at IS NOT NULL
"""


def upgrade() -> None:
    op.alter_column("performance", "revenue", type_=REVENUE, existing_type=MONEY)
    _extend_decision()
    _extend_event()
    _create_queue()
    _create_outcomes()
    for table in ("decision_bids", "outcome"):
        op.execute(f"CREATE TABLE {table}_default PARTITION OF {table} DEFAULT")
    op.execute(ENSURE_PARTITIONS.format(tables=AFTER))
    op.execute("SELECT ensure_partitions(7)")
    op.execute(LIVE_TRAINING_ROW)


def downgrade() -> None:
    op.execute("DROP VIEW live_training_row")
    op.execute(ENSURE_PARTITIONS.format(tables=BEFORE))
    for table in (
        "rollup_owed",
        "keyless_count",
        "outcome",
        "event_waiting",
        "event_batch",
        "event_key",
        "decision_bids",
    ):
        op.drop_table(table)
    op.drop_index(op.f("ix_event_batch_id"), "event")
    op.create_index(op.f("ix_event_received_at"), "event", ["received_at"])
    op.drop_constraint(op.f("ck_event_context"), "event")
    op.execute("DELETE FROM event WHERE slot_id IS NULL")
    for column in ("slot_id", "brand_id"):
        op.alter_column("event", column, nullable=False)
    for column in ("revenue", "batch_id"):
        op.drop_column("event", column)
    for column in (
        "winner_pricing_model",
        "winner_creative_type",
        "winner_creative",
        "clearing_vpi",
        "clearing_amount",
        "floor",
        "bid_count",
    ):
        op.drop_column("decision", column)
    op.alter_column("decision", "results", server_default=None)
    op.alter_column("decision", "winner_vpi", type_=sa.Numeric(24, 12), existing_type=VALUE)
    op.alter_column("performance", "revenue", type_=MONEY, existing_type=REVENUE)


def _extend_decision() -> None:
    op.alter_column("decision", "winner_vpi", type_=VALUE, existing_type=sa.Numeric(24, 12))
    op.alter_column("decision", "results", server_default=sa.text("'{}'::jsonb"))
    for column in (
        sa.Column("winner_pricing_model", sa.SmallInteger()),
        sa.Column("winner_creative_type", sa.Text()),
        sa.Column("winner_creative", sa.Text()),
        sa.Column("clearing_vpi", VALUE),
        sa.Column("clearing_amount", VALUE),
        sa.Column("floor", VALUE, server_default="0", nullable=False),
        sa.Column("bid_count", sa.Integer(), server_default="0", nullable=False),
    ):
        op.add_column("decision", column)
    op.create_table(
        "decision_bids",
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("brand_ids", ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("reasons", ARRAY(sa.SmallInteger()), nullable=False),
        sa.Column("packed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("decided_at", "decision_id", name=op.f("pk_decision_bids")),
        postgresql_partition_by="RANGE (decided_at)",
    )
    # Packed numbers hardly shrink; trying costs more than writing them.
    op.execute("ALTER TABLE decision_bids ALTER COLUMN packed SET STORAGE EXTERNAL")


def _extend_event() -> None:
    for column in ("slot_id", "brand_id"):
        op.alter_column("event", column, nullable=True)
    op.add_column("event", sa.Column("revenue", REVENUE, server_default="0", nullable=False))
    op.add_column(
        "event", sa.Column("batch_id", sa.BigInteger(), server_default="0", nullable=False)
    )
    op.create_check_constraint(
        op.f("ck_event_context"), "event", "(slot_id IS NULL) = (brand_id IS NULL)"
    )
    op.drop_index(op.f("ix_event_received_at"), "event")
    op.create_index(op.f("ix_event_batch_id"), "event", ["batch_id"])


def _create_queue() -> None:
    op.create_table(
        "event_key",
        sa.Column("event_id", CODE, nullable=False),
        sa.Column("received_at", MOMENT, server_default=NOW, nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_event_key")),
    )
    op.create_index(
        op.f("ix_event_key_received_at"), "event_key", ["received_at"], postgresql_using="brin"
    )
    op.create_table(
        "event_batch",
        sa.Column("batch_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column("received_at", MOMENT, server_default=NOW, nullable=False),
        sa.Column("events", sa.Integer(), nullable=False),
        sa.Column("first_at", MOMENT, nullable=False),
        sa.Column("last_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("batch_id", name=op.f("pk_event_batch")),
    )
    op.create_table(
        "event_waiting",
        sa.Column("event_id", CODE, nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("since_at", MOMENT, nullable=False),
        sa.Column("retry_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "occurred_at", name=op.f("pk_event_waiting")),
    )
    op.create_index(op.f("ix_event_waiting_retry_at"), "event_waiting", ["retry_at"])
    op.create_table(
        "rollup_owed",
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("slot_id", name=op.f("pk_rollup_owed")),
    )


def _create_outcomes() -> None:
    op.create_table(
        "outcome",
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("bid_id", CODE, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", sa.Text(), server_default="", nullable=False),
        sa.Column("creative_type", sa.Text(), server_default="", nullable=False),
        sa.Column("simulated", sa.Boolean(), server_default=FALSE, nullable=False),
        *(column for name in ("impression", "click", "conversion") for column in _step(name)),
        sa.PrimaryKeyConstraint("decision_id", "bid_id", "decided_at", name=op.f("pk_outcome")),
        postgresql_partition_by="RANGE (decided_at)",
    )
    op.create_table(
        "keyless_count",
        sa.Column("slot_id", sa.BigInteger(), nullable=False),
        sa.Column("brand_id", sa.BigInteger(), nullable=False),
        sa.Column("device_type", CODE, nullable=False),
        sa.Column("creative_type", CODE, nullable=False),
        sa.Column("hour_at", MOMENT, nullable=False),
        sa.Column("impressions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("clicks", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("conversions", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("revenue", REVENUE, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint(
            "slot_id",
            "brand_id",
            "device_type",
            "creative_type",
            "hour_at",
            name=op.f("pk_keyless_count"),
        ),
    )


def _step(name: str) -> tuple[sa.Column, sa.Column, sa.Column]:
    return (
        sa.Column(f"{name}_event_id", CODE),
        sa.Column(f"{name}_at", MOMENT),
        sa.Column(f"{name}_revenue", REVENUE, server_default="0", nullable=False),
    )
