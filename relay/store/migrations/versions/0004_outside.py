"""What of each incident is outside the building, as its gateway measured it."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
WHATS = "what IN ('record', 'still', 'pictures', 'pre_roll', 'clip')"


def upgrade() -> None:
    op.create_table(
        "outside",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("outlet", sa.Text(), nullable=False),
        sa.Column("after", Whole, nullable=False),
        sa.Column("wall", Whole, nullable=False),
        sa.CheckConstraint(WHATS, name=op.f("ck_outside_what")),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_outside_gateway")),
        sa.PrimaryKeyConstraint("gateway", "incident", "what", "outlet", name=op.f("pk_outside")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    op.drop_table("outside")
