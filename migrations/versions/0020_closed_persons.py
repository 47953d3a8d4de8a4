"""Remember for whom no account may be opened."""

import sqlalchemy as sa
from alembic import op

revision = "0020_closed_persons"
down_revision = "0019_webhooks_in_order"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "closed_persons",
        sa.Column("person_id", sa.Uuid, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("person_id", name="pk_closed_persons"),
    )


def downgrade() -> None:
    """Drop the table."""
    op.drop_table("closed_persons")
