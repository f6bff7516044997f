"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

Whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    op.create_table(
        "gateway",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("first_seen", Whole, nullable=False),
        sa.Column("last_seen", Whole, nullable=False),
        sa.Column("epoch", sa.Text(), nullable=True),
        sa.Column("software", sa.Text(), server_default="", nullable=False),
        sa.Column("outlets", sa.Text(), server_default="{}", nullable=False),
        sa.Column("lost_incident", sa.Text(), nullable=True),
        sa.CheckConstraint("status IN ('active', 'locked')", name=op.f("ck_gateway_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gateway")),
        sqlite_strict=True,
    )
    op.create_table(
        "person",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("display", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("password_hash", sa.Text(), nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("disabled", Whole, nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_person")),
        sa.UniqueConstraint("name", name=op.f("uq_person_name")),
        sqlite_strict=True,
    )
    op.create_table(
        "setup_code",
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("used", Whole, nullable=True),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_setup_code")),
        sqlite_strict=True,
    )
    op.create_table(
        "sign_in_attempt",
        sa.Column("id", Whole, sa.Identity(always=False), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("at", Whole, nullable=False),
        sa.Column("good", Whole, nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sign_in_attempt")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_sign_in_attempt_address_at"), "sign_in_attempt", ["address", "at"], unique=False)
    op.create_index(op.f("ix_sign_in_attempt_at"), "sign_in_attempt", ["at"], unique=False)
    op.create_index(op.f("ix_sign_in_attempt_subject_at"), "sign_in_attempt", ["subject", "at"], unique=False)
    op.create_table(
        "clip",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=True),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("trigger", Whole, nullable=True),
        sa.Column("pre", Whole, nullable=True),
        sa.Column("post", Whole, nullable=True),
        sa.Column("start", Whole, nullable=True),
        sa.Column("mark", Whole, nullable=True),
        sa.Column("end", Whole, nullable=True),
        sa.Column("width", Whole, nullable=True),
        sa.Column("height", Whole, nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("segments", Whole, nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('open', 'sealed')", name=op.f("ck_clip_state")),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_clip_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clip")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_clip_incident"), "clip", ["incident"], unique=False)
    op.create_table(
        "command",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("args", sa.Text(), nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("expires", Whole, nullable=False),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("decided", Whole, nullable=True),
        sa.CheckConstraint(
            "state IN ('queued', 'sent', 'done', 'refused', 'failed', 'expired')", name=op.f("ck_command_state")
        ),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_command_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_command")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_command_gateway_state"), "command", ["gateway", "state"], unique=False)
    op.create_table(
        "device_state",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("device", sa.Text(), nullable=False),
        sa.Column("aspect", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.Column("wall", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_device_state_gateway")),
        sa.PrimaryKeyConstraint("gateway", "device", "aspect", name=op.f("pk_device_state")),
        sqlite_strict=True,
    )
    op.create_table(
        "epoch",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("supersedes", sa.Text(), nullable=True),
        sa.Column("started", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_epoch_gateway")),
        sa.PrimaryKeyConstraint("gateway", "epoch", name=op.f("pk_epoch")),
        sqlite_strict=True,
    )
    op.create_table(
        "footage_gap",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("since", Whole, nullable=False),
        sa.Column("until", Whole, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_footage_gap_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_footage_gap")),
        sqlite_strict=True,
    )
    op.create_index(
        op.f("ix_footage_gap_gateway_camera_since"), "footage_gap", ["gateway", "camera", "since"], unique=False
    )
    op.create_table(
        "incident",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("tenant", sa.Text(), nullable=False),
        sa.Column("site", sa.Text(), nullable=False),
        sa.Column("title", sa.Text(), nullable=False),
        sa.Column("severity", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("opened", Whole, nullable=True),
        sa.Column("policy", sa.Text(), nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("device", sa.Text(), nullable=True),
        sa.Column("acknowledged_by", sa.Text(), nullable=True),
        sa.Column("acknowledged_until", Whole, nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("merged_into", sa.Text(), nullable=True),
        sa.Column("lamport", Whole, nullable=False),
        sa.Column("clips", Whole, server_default="0", nullable=False),
        sa.Column("stills", Whole, server_default="0", nullable=False),
        sa.Column("arrived", Whole, nullable=False),
        sa.Column("updated", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_incident_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_incident")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_incident_gateway_opened"), "incident", ["gateway", "opened"], unique=False)
    op.create_index(op.f("ix_incident_opened"), "incident", ["opened"], unique=False)
    op.create_index(op.f("ix_incident_state_opened"), "incident", ["state", "opened"], unique=False)
    op.create_table(
        "integrity",
        sa.Column("id", Whole, sa.Identity(always=False), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("what", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column("offered", sa.Text(), nullable=False),
        sa.Column("first", Whole, nullable=False),
        sa.Column("last", Whole, nullable=False),
        sa.Column("count", Whole, server_default="1", nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_integrity_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_integrity")),
        sa.UniqueConstraint("gateway", "what", "subject", name=op.f("uq_integrity_gateway_what_subject")),
        sqlite_strict=True,
    )
    op.create_table(
        "lane",
        sa.Column("id", Whole, sa.Identity(always=False), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("epoch", sa.Text(), nullable=False),
        sa.Column("lane", sa.Text(), nullable=False),
        sa.Column("seq", Whole, nullable=False),
        sa.Column("chain", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_lane_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_lane")),
        sa.UniqueConstraint("gateway", "epoch", "lane", name=op.f("uq_lane_gateway_epoch_lane")),
        sqlite_strict=True,
    )
    op.create_table(
        "session",
        sa.Column("token_hash", sa.Text(), nullable=False),
        sa.Column("person", sa.Text(), nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("seen", Whole, nullable=False),
        sa.Column("expires", Whole, nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.id"], name=op.f("fk_session_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("token_hash", name=op.f("pk_session")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_session_person"), "session", ["person"], unique=False)
    op.create_table(
        "still",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("camera", sa.Text(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", Whole, nullable=False),
        sa.Column("taken", Whole, nullable=False),
        sa.Column("width", Whole, nullable=False),
        sa.Column("height", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_still_gateway")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_still")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_still_incident"), "still", ["incident"], unique=False)
    op.create_index(op.f("ix_still_sha256"), "still", ["sha256"], unique=False)
    op.create_table(
        "trouble",
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("since", Whole, nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_trouble_gateway")),
        sa.PrimaryKeyConstraint("gateway", "key", name=op.f("pk_trouble")),
        sqlite_strict=True,
    )
    op.create_table(
        "entry",
        sa.Column("cursor", Whole, sa.Identity(always=False), nullable=False),
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("gateway", sa.Text(), nullable=False),
        sa.Column("arrived_from", sa.Text(), nullable=True),
        sa.Column("lamport", Whole, nullable=False),
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wall", Whole, nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("received", Whole, nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(["gateway"], ["gateway.id"], name=op.f("fk_entry_gateway")),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_entry_incident")),
        sa.PrimaryKeyConstraint("cursor", name=op.f("pk_entry")),
        sa.UniqueConstraint("gateway", "id", name=op.f("uq_entry_gateway_id")),
        sqlite_autoincrement=True,
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_entry_gateway_cursor"), "entry", ["gateway", "cursor"], unique=False)
    op.create_index(op.f("ix_entry_incident"), "entry", ["incident"], unique=False)
    op.create_table(
        "log_gap",
        sa.Column("lane", Whole, autoincrement=False, nullable=False),
        sa.Column("since", Whole, autoincrement=False, nullable=False),
        sa.Column("to", Whole, nullable=False),
        sa.Column("count", Whole, nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("received", Whole, nullable=False),
        sa.ForeignKeyConstraint(["lane"], ["lane.id"], name=op.f("fk_log_gap_lane")),
        sa.PrimaryKeyConstraint("lane", "since", name=op.f("pk_log_gap")),
        sqlite_strict=True,
    )
    op.create_table(
        "notice",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("transition", sa.Text(), nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("routed", Whole, nullable=True),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_notice_incident")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notice")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_notice_routed"), "notice", ["routed"], unique=False)
    op.create_table(
        "record",
        sa.Column("lane", Whole, autoincrement=False, nullable=False),
        sa.Column("seq", Whole, autoincrement=False, nullable=False),
        sa.Column("fact", sa.Text(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("wall", Whole, nullable=False),
        sa.Column("received", Whole, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint(
            "state IN ('applied', 'known', 'unknown', 'conflict', 'quarantined')", name=op.f("ck_record_state")
        ),
        sa.ForeignKeyConstraint(["lane"], ["lane.id"], name=op.f("fk_record_lane")),
        sa.PrimaryKeyConstraint("lane", "seq", name=op.f("pk_record")),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_record_fact"), "record", ["fact"], unique=False)
    op.create_index(op.f("ix_record_received"), "record", ["received"], unique=False)
    op.create_table(
        "segment",
        sa.Column("clip", sa.Text(), nullable=False),
        sa.Column("n", Whole, autoincrement=False, nullable=False),
        sa.Column("part", Whole, nullable=False),
        sa.Column("init", sa.Text(), nullable=False),
        sa.Column("init_bytes", Whole, nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("bytes", Whole, nullable=False),
        sa.Column("start", Whole, nullable=False),
        sa.Column("duration", Whole, nullable=False),
        sa.Column("wall_start", Whole, nullable=False),
        sa.Column("codec", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["clip"], ["clip.id"], name=op.f("fk_segment_clip")),
        sa.PrimaryKeyConstraint("clip", "n", name=op.f("pk_segment")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_segment_init"), "segment", ["init"], unique=False)
    op.create_index(op.f("ix_segment_sha256"), "segment", ["sha256"], unique=False)
    op.create_table(
        "delivery",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("notice", sa.Text(), nullable=False),
        sa.Column("incident", sa.Text(), nullable=False),
        sa.Column("policy", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("rank", Whole, nullable=False),
        sa.Column("digest", sa.Text(), nullable=True),
        sa.Column("state", sa.Text(), server_default="queued", nullable=False),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("attempts", Whole, server_default="0", nullable=False),
        sa.Column("created", Whole, nullable=False),
        sa.Column("next_at", Whole, nullable=False),
        sa.Column("leased_until", Whole, nullable=True),
        sa.Column("finished", Whole, nullable=True),
        sa.Column("last_error", sa.Text(), server_default="", nullable=False),
        sa.Column("possibly_repeated", Whole, server_default="0", nullable=False),
        sa.CheckConstraint(
            "state IN ('queued', 'held', 'sending', 'sent', 'failed', 'expired', 'unneeded')",
            name=op.f("ck_delivery_state"),
        ),
        sa.ForeignKeyConstraint(["incident"], ["incident.id"], name=op.f("fk_delivery_incident")),
        sa.ForeignKeyConstraint(["notice"], ["notice.id"], name=op.f("fk_delivery_notice")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_delivery")),
        sa.UniqueConstraint("notice", "channel", "recipient", name=op.f("uq_delivery_notice_channel_recipient")),
        sqlite_strict=True,
    )
    op.create_index(op.f("ix_delivery_incident"), "delivery", ["incident"], unique=False)
    op.create_index(op.f("ix_delivery_state_next_at"), "delivery", ["state", "next_at"], unique=False)


def downgrade() -> None:
    op.drop_index(op.f("ix_delivery_state_next_at"), table_name="delivery")
    op.drop_index(op.f("ix_delivery_incident"), table_name="delivery")
    op.drop_table("delivery")
    op.drop_index(op.f("ix_segment_sha256"), table_name="segment")
    op.drop_index(op.f("ix_segment_init"), table_name="segment")
    op.drop_table("segment")
    op.drop_index(op.f("ix_record_received"), table_name="record")
    op.drop_index(op.f("ix_record_fact"), table_name="record")
    op.drop_table("record")
    op.drop_index(op.f("ix_notice_routed"), table_name="notice")
    op.drop_table("notice")
    op.drop_table("log_gap")
    op.drop_index(op.f("ix_entry_incident"), table_name="entry")
    op.drop_index(op.f("ix_entry_gateway_cursor"), table_name="entry")
    op.drop_table("entry")
    op.drop_table("trouble")
    op.drop_index(op.f("ix_still_sha256"), table_name="still")
    op.drop_index(op.f("ix_still_incident"), table_name="still")
    op.drop_table("still")
    op.drop_index(op.f("ix_session_person"), table_name="session")
    op.drop_table("session")
    op.drop_table("lane")
    op.drop_table("integrity")
    op.drop_index(op.f("ix_incident_state_opened"), table_name="incident")
    op.drop_index(op.f("ix_incident_opened"), table_name="incident")
    op.drop_index(op.f("ix_incident_gateway_opened"), table_name="incident")
    op.drop_table("incident")
    op.drop_index(op.f("ix_footage_gap_gateway_camera_since"), table_name="footage_gap")
    op.drop_table("footage_gap")
    op.drop_table("epoch")
    op.drop_table("device_state")
    op.drop_index(op.f("ix_command_gateway_state"), table_name="command")
    op.drop_table("command")
    op.drop_index(op.f("ix_clip_incident"), table_name="clip")
    op.drop_table("clip")
    op.drop_index(op.f("ix_sign_in_attempt_subject_at"), table_name="sign_in_attempt")
    op.drop_index(op.f("ix_sign_in_attempt_at"), table_name="sign_in_attempt")
    op.drop_index(op.f("ix_sign_in_attempt_address_at"), table_name="sign_in_attempt")
    op.drop_table("sign_in_attempt")
    op.drop_table("setup_code")
    op.drop_table("person")
    op.drop_table("gateway")
