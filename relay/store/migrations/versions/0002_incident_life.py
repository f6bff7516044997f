"""Incidents have more states and marks; footage may be moved between them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
TEXTS = ("started_by", "closed_by", "reason", "assignee", "assignee_id", "cancelled_by", "split_from")


def upgrade() -> None:
    for name in TEXTS:
        op.add_column("incident", sa.Column(name, sa.Text(), nullable=True))
    op.add_column("incident", sa.Column("cancelled", Whole, nullable=True))
    op.add_column("incident", sa.Column("covert", Whole, server_default="0", nullable=False))
    # Rows that an older program folded are folded anew while the relay runs.
    op.add_column("incident", sa.Column("fold", Whole, server_default="1", nullable=False))
    op.create_table(
        "moved",
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("here", Whole, nullable=False),
        sa.CheckConstraint("what IN ('clip', 'still')", name=op.f("ck_moved_what")),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_moved_incident")),
        sa.PrimaryKeyConstraint("incident", "what", "subject", name=op.f("pk_moved")),
        sqlite_strict=True,
    )
    # What is secret cannot wait: a gateway may have sent it before its relay was brought up to date.
    text = "CAST(data AS TEXT)" if op.get_bind().dialect.name == "sqlite" else "convert_from(data, 'UTF8')"
    secret = sa.text(
        "UPDATE incident SET covert = 1 WHERE id IN (SELECT incident FROM entry "  # noqa: S608 - two constants
        f"WHERE kind = 'incident.opened' AND {text} LIKE :covert)"
    )
    op.execute(secret.bindparams(covert='%"covert":true%'))


def downgrade() -> None:
    op.drop_table("moved")
    for name in (*TEXTS, "cancelled", "covert", "fold"):
        op.drop_column("incident", name)
