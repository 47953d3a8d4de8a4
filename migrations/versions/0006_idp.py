"""Create the tables of idp."""

revision = "0006_idp"
down_revision = "0005_vault"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
