"""What leaves a gateway's disk, what is kept from leaving, and pictures that come before their clip."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.add_column("gateway", sa.Column("storage", sa.Text(), server_default="", nullable=False))
    op.create_table(
        "pictures",
        sa.Column("clip", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", Whole, nullable=False),
        sa.Column("taken", sa.Text(), nullable=False),
        sa.Column("width", Whole, nullable=False),
        sa.Column("height", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_pictures_gateway")),
        sa.PrimaryKeyConstraint("clip", name=op.f("pk_pictures")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_pictures_sha256"), "pictures", ["sha256"])
    op.create_table(
        "eviction",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("wall", Whole, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("held_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_eviction_gateway")),
        sa.PrimaryKeyConstraint("gateway", "incident", name=op.f("pk_eviction")),
        sqlite_strict=True,
    )
    op.create_table(
        "hold",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("since", Whole, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_hold_gateway")),
        sa.PrimaryKeyConstraint("gateway", "incident", name=op.f("pk_hold")),
        sqlite_strict=True,
    )


def downgrade() -> None:
    for name in ("hold", "eviction", "pictures"):
        op.drop_table(name)
    op.drop_column("gateway", "storage")
