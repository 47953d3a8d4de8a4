"""Keep with a grant which verified claims were asked for."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008_verified_claims"
down_revision = "0007_partner_api"


def upgrade() -> None:
    """Add the column; grants that there are asked for none."""
    op.add_column(
        "grants",
        sa.Column(
            "verified_claims",
            postgresql.JSONB,
            comment="what was asked, and the level of the account then",
        ),
    )


def downgrade() -> None:
    """Drop the column."""
    op.drop_column("grants", "verified_claims")
