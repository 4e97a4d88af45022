"""Which version an alias pointed at, when and why; what the models said of winners.

Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

MOMENT = sa.DateTime(timezone=True)
CODE = sa.String(collation="C")
KINDS = "kind IN ('promote', 'rollback', 'automatic_rollback')"


def upgrade() -> None:
    op.create_table(
        "model_change",
        sa.Column("id", sa.BigInteger(), sa.Identity(), nullable=False),
        sa.Column("at", MOMENT, server_default=sa.func.now(), nullable=False),
        sa.Column("name", CODE, nullable=False),
        sa.Column("alias", CODE, nullable=False),
        sa.Column("from_version", sa.Text()),
        sa.Column("to_version", sa.Text()),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.CheckConstraint(KINDS, name=op.f("ck_model_change_kind")),
        sa.CheckConstraint("length(actor) >= 1", name=op.f("ck_model_change_actor")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model_change")),
    )
    op.create_index(op.f("ix_model_change_name_id"), "model_change", ["name", "id"])
    op.create_table(
        "shadow_score",
        sa.Column("decision_id", sa.Uuid(), nullable=False),
        sa.Column("name", CODE, nullable=False),
        sa.Column("bid_id", CODE, nullable=False),
        sa.Column("decided_at", MOMENT, nullable=False),
        sa.Column("champion_version", sa.Text(), nullable=False),
        sa.Column("challenger_version", sa.Text(), nullable=False),
        sa.Column("champion", sa.REAL(), nullable=False),
        sa.Column("challenger", sa.REAL(), nullable=False),
        sa.PrimaryKeyConstraint("decision_id", "name", name=op.f("pk_shadow_score")),
    )
    op.create_index(op.f("ix_shadow_score_name_decided_at"), "shadow_score", ["name", "decided_at"])
    op.add_column("decision", sa.Column("winner_ctr", sa.REAL()))
    op.add_column("decision", sa.Column("winner_cvr", sa.REAL()))


def downgrade() -> None:
    op.drop_column("decision", "winner_cvr")
    op.drop_column("decision", "winner_ctr")
    op.drop_table("shadow_score")
    op.drop_table("model_change")
