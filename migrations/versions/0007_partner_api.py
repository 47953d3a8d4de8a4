"""Create the tables of the partner API: webhooks and quotas."""

import sqlalchemy as sa
from alembic import op

revision = "0007_partner_api"
down_revision = "0006_idp"

INSTANT = sa.DateTime(timezone=True)


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "webhook_endpoints",
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("uri", sa.Text, nullable=False),
        sa.Column("secret_sealed", sa.LargeBinary, nullable=False),
        sa.Column("previous_secret_sealed", sa.LargeBinary, comment="signs too, for a while"),
        sa.Column("rotated_at", INSTANT),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column(
            "disabled_at", INSTANT, comment="the receiver answered 410, or the partner said so"
        ),
        sa.PrimaryKeyConstraint("partner_id", name="pk_webhook_endpoints"),
        sa.CheckConstraint(
            "(previous_secret_sealed IS NULL) = (rotated_at IS NULL)",
            name="previous_has_date",
        ),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("webhook_id", sa.Uuid, nullable=False),
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("event_type", sa.Text, nullable=False),
        sa.Column("event_key", sa.Text, nullable=False),
        sa.Column(
            "body", sa.LargeBinary, nullable=False, comment="as sent; names a pseudonym only"
        ),
        sa.Column("created_at", INSTANT, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False, server_default="0"),
        sa.Column("last_attempt_at", INSTANT),
        sa.Column("last_status", sa.Integer, comment="NULL: no answer"),
        sa.Column("delivered_at", INSTANT),
        sa.Column("abandoned_at", INSTANT),
        sa.PrimaryKeyConstraint("webhook_id", name="pk_webhook_deliveries"),
        sa.CheckConstraint(
            "delivered_at IS NULL OR abandoned_at IS NULL",
            name="one_outcome",
        ),
    )
    op.create_index(
        "uq_webhook_deliveries_event",
        "webhook_deliveries",
        ["partner_id", "event_type", "event_key"],
        unique=True,
    )
    op.create_table(
        "partner_quotas",
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("minute", INSTANT, nullable=False, comment="its first instant"),
        sa.Column("leased", sa.Integer, nullable=False, comment="requests given out to processes"),
        sa.PrimaryKeyConstraint("partner_id", "minute", name="pk_partner_quotas"),
        prefixes=["UNLOGGED"],
    )
    op.create_table(
        "partner_limits",
        sa.Column("partner_id", sa.Text, nullable=False),
        sa.Column("requests_per_minute", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("partner_id", name="pk_partner_limits"),
        sa.CheckConstraint("requests_per_minute > 0", name="positive"),
    )


def downgrade() -> None:
    """Drop the tables."""
    for table in (
        "partner_limits",
        "partner_quotas",
        "webhook_deliveries",
        "webhook_endpoints",
    ):
        op.drop_table(table)
