"""Training runs: one a night at most, with their progress and verdict.

Revises: 0003
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CODE = sa.String(collation="C")
STATUSES = "status IN ('PENDING', 'RUNNING', 'SUCCEEDED', 'FAILED', 'STOPPED')"


def upgrade() -> None:
    op.create_table(
        "training_run",
        sa.Column("submission_id", CODE, nullable=False),
        sa.Column("night", sa.Date()),
        sa.Column("status", sa.Text(), server_default="PENDING", nullable=False),
        sa.Column("submitted_at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("started_at", MOMENT),
        sa.Column("ended_at", MOMENT),
        sa.Column("progress", sa.Text(), server_default="", nullable=False),
        sa.Column("run_id", sa.Text()),
        sa.Column("model_rows", sa.BigInteger()),
        sa.Column("verdict", sa.Text()),
        sa.Column("ne", sa.Float(53)),
        sa.Column("champion_ne", sa.Float(53)),
        sa.Column("error", sa.Text()),
        sa.CheckConstraint(STATUSES, name=op.f("ck_training_run_status")),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_training_run")),
        sa.UniqueConstraint("night", name=op.f("uq_training_run_night")),
    )
    op.create_index(op.f("ix_training_run_submitted_at"), "training_run", ["submitted_at"])


def downgrade() -> None:
    op.drop_table("training_run")
