"""Let an initial access token register several clients."""

import sqlalchemy as sa
from alembic import op

revision = "0009_initial_access_uses"
down_revision = "0008_verified_claims"

TABLE = "initial_access_tokens"


def upgrade() -> None:
    """Add the column; a token that was used is used up."""
    op.add_column(TABLE, sa.Column("uses_left", sa.Integer, server_default="1", nullable=False))
    op.execute("UPDATE initial_access_tokens SET uses_left = 0 WHERE used_at IS NOT NULL")
    op.create_check_constraint("uses_left", TABLE, "uses_left >= 0")
    op.alter_column(TABLE, "used_at", comment="the last time")


def downgrade() -> None:
    """Drop the column; whatever was used once is used up."""
    op.alter_column(TABLE, "used_at", comment=None)
    op.drop_constraint("uses_left", TABLE, type_="check")
    op.drop_column(TABLE, "uses_left")
