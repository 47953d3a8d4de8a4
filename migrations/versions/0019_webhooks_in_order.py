"""Send webhooks about one person one after the other; remember how far agencies were told."""

import sqlalchemy as sa
from alembic import op

revision = "0019_webhooks_in_order"
down_revision = "0018_vault_locks"


def upgrade() -> None:
    """Add the columns, empty for webhooks in any order, and the table."""
    op.add_column("webhook_deliveries", sa.Column("order_key", sa.Text))
    op.add_column("webhook_deliveries", sa.Column("order_place", sa.BigInteger))
    op.create_check_constraint(
        "ordered", "webhook_deliveries", "(order_key IS NULL) = (order_place IS NULL)"
    )
    op.create_index(
        "ix_webhook_deliveries_waiting_in_order",
        "webhook_deliveries",
        ["partner_id", "order_key", "order_place"],
        postgresql_where=sa.text(
            "order_key IS NOT NULL AND delivered_at IS NULL AND abandoned_at IS NULL"
        ),
    )
    op.create_table(
        "agency_notices",
        sa.Column("agency_id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("agency_id", name="pk_agency_notices"),
    )


def downgrade() -> None:
    """Drop them."""
    op.drop_table("agency_notices")
    op.drop_index("ix_webhook_deliveries_waiting_in_order", "webhook_deliveries")
    op.drop_constraint("ordered", "webhook_deliveries", type_="check")
    op.drop_column("webhook_deliveries", "order_place")
    op.drop_column("webhook_deliveries", "order_key")
