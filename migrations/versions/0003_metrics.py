"""Sums by hour and minute, so that a dashboard never scans facts; how long a decision took.

Revises: 0002
"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CODE = sa.String(collation="C")
REVENUE = sa.Numeric(precision=38, scale=9)
COUNTS = ("impressions", "clicks", "conversions")


def upgrade() -> None:
    op.add_column("decision", sa.Column("took_ms", sa.REAL()))
    op.drop_column("rollup_owed", "version")
    for key in ("slot_id", "brand_id"):
        _create_hourly(key)
    op.create_table(
        "decision_minute",
        sa.Column("measure", CODE, nullable=False),
        sa.Column("minute_at", MOMENT, nullable=False),
        sa.Column("bin", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("total", sa.Float(53), nullable=False),
        sa.PrimaryKeyConstraint("measure", "minute_at", "bin", name=op.f("pk_decision_minute")),
    )
    # The current minute's rows change with every flush of the log.
    op.execute("ALTER TABLE decision_minute SET (fillfactor = 70)")


def downgrade() -> None:
    for table in ("decision_minute", "brand_hour", "slot_hour"):
        op.drop_table(table)
    op.execute("TRUNCATE rollup_owed")
    op.add_column("rollup_owed", sa.Column("version", sa.BigInteger(), nullable=False))
    op.drop_column("decision", "took_ms")


def _create_hourly(key: str) -> None:
    table = key.replace("_id", "_hour")
    op.create_table(
        table,
        sa.Column("hour_at", MOMENT, nullable=False),
        sa.Column(key, sa.BigInteger(), nullable=False),
        sa.Column("device_type", CODE, nullable=False),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in COUNTS),
        sa.Column("revenue", REVENUE, server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("hour_at", key, "device_type", name=op.f(f"pk_{table}")),
    )
    sums = ", ".join(f"sum({name})" for name in (*COUNTS, "revenue"))
    op.execute(
        f"INSERT INTO {table} SELECT hour_at, {key}, device_type, {sums}"  # noqa: S608
        " FROM performance GROUP BY 1, 2, 3"
    )
