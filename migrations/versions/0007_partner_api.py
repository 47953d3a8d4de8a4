"""Create the tables of partner_api."""

revision = "0007_partner_api"
down_revision = "0006_idp"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
