"""Create the tables of vault."""

revision = "0005_vault"
down_revision = "0004_consent"


def upgrade() -> None:
    """Create the tables."""


def downgrade() -> None:
    """Drop the tables."""
